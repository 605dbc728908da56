"""What to do with a damaged spool: set it aside, and read what can still be read."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY_CODE = 0xFF
_LONGEST_SEARCH = 1_000_000
_MOST_IN_A_PAGE = 512


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, rather than the disk full or the file locked."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY_CODE in _DAMAGE


def set_aside(file: Path) -> Path:
    """Rename a damaged spool; only the last one is kept, for whoever wants to look at it."""
    damaged = file.with_name(f"{file.name}.damaged")
    for suffix in ("", "-wal", "-shm"):
        part = file.with_name(file.name + suffix)
        target = damaged.with_name(damaged.name + suffix)
        target.unlink(missing_ok=True)
        if part.exists():
            part.rename(target)
    return damaged


def salvage(damaged: Path) -> Iterator[Row | None]:
    """Yield each row that can be read, and None for each that cannot.

    Of a file whose beginning or end is broken nobody knows how many rows that part had; it yields
    one None.
    """
    with contextlib.closing(sqlite3.connect(damaged, isolation_level=None)) as database:
        first, last = (_edge(database, which) for which in ("min", "max"))
        if last is None:
            yield None
            if first is None:
                return
            last = first + _LONGEST_SEARCH
        if first is None:
            yield None
            first = max(1, last - _LONGEST_SEARCH)
        # How many in a row were not there: a whole page's worth is the end where none is known.
        missing = 0
        for sequence in range(first, last + 1):
            try:
                row = _row(database, sequence)
            except sqlite3.DatabaseError:
                row = None
                yield None
            # A gap is one that was taken; a broken page hides its rows with an error.
            if row is not None:
                yield row
            missing = 0 if row else missing + 1
            if missing > _MOST_IN_A_PAGE:
                return


def _edge(database: sqlite3.Connection, which: str) -> int | None:
    """Return the first or last sequence; None where that page is broken, 0 without rows."""
    try:
        # One at a time: asked for both, SQLite reads every page.
        found = database.execute(f"SELECT {which}(sequence) FROM messages").fetchone()[0]  # noqa: S608 - min or max
    except sqlite3.DatabaseError:
        return None
    return int(found or 0)


def _row(database: sqlite3.Connection, sequence: int) -> Row | None:
    found: Row | None = database.execute(
        "SELECT sequence, topic, payload, checksum FROM messages WHERE sequence = ?", (sequence,)
    ).fetchone()
    return found
