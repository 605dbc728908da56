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

    A file whose header is broken yields one None: how many were in it nobody knows.
    """
    with contextlib.closing(sqlite3.connect(damaged, isolation_level=None)) as database:
        try:
            first, last = database.execute(
                "SELECT min(sequence), max(sequence) FROM messages"
            ).fetchone()
        except sqlite3.DatabaseError:
            yield None
            return
        if first is None:
            return
        for sequence in range(first, min(last, first + _LONGEST_SEARCH) + 1):
            try:
                row = database.execute(
                    "SELECT sequence, topic, payload, checksum FROM messages WHERE sequence = ?",
                    (sequence,),
                ).fetchone()
            except sqlite3.DatabaseError:
                yield None
            else:
                # A gap is one that was taken; a broken page hides its rows with an error.
                if row is not None:
                    yield row
