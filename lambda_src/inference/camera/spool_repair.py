"""What to do with a damaged spool: set it aside, and read what can still be read."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from camera.spool_pages import Row, rows_on_pages

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY_CODE = 0xFF
# JSON with an id, a thing and a model is far longer.
_LEAST_ROW_BYTES = 64


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
    """Yield each row that is whole, in order, and None for each that is not.

    Rows are taken in the order in which they were added, so from the oldest to the newest there
    are no gaps but those of the last damage. Where the beginning or the end is broken, nobody knows
    how many rows that part had; it counts as one.
    """
    rows = rows_on_pages(damaged)
    oldest, newest = _edges(damaged)
    if not rows.certain and not rows.perhaps:
        if oldest is None or newest is None or newest > 0:
            yield None
        return
    widest = damaged.stat().st_size // _LEAST_ROW_BYTES
    # Of a broken page there may be rows that were removed, and with a wrong sequence.
    known = _that_belong_together(rows.perhaps | rows.certain, widest)
    first = min((one for one in known if one in rows.certain), default=min(known))
    last = max(known)
    # Where the page with the edge is broken, SQLite gives none, or what random bytes mean.
    knows_first = oldest is not None and first - widest <= oldest <= first
    knows_last = newest is not None and last <= newest <= last + widest
    if not knows_first or not knows_last:
        yield None
    begin = oldest if knows_first and oldest else min(known)
    end = newest if knows_last and newest else last
    for sequence in range(begin, end + 1):
        yield known.get(sequence)


def _that_belong_together(rows: dict[int, Row], widest: int) -> dict[int, Row]:
    """Return the most rows between which no gap is wider than what the file has room for."""
    runs: list[list[int]] = []
    for sequence in sorted(rows):
        if not runs or sequence - runs[-1][-1] > widest:
            runs.append([])
        runs[-1].append(sequence)
    return {sequence: rows[sequence] for sequence in max(runs, key=len)}


def _edges(damaged: Path) -> tuple[int | None, int | None]:
    """Return the first and the last sequence by SQLite; None for what is broken, 0 without rows."""
    with contextlib.closing(sqlite3.connect(damaged, isolation_level=None)) as database:
        return _edge(database, "min"), _edge(database, "max")


def _edge(database: sqlite3.Connection, which: str) -> int | None:
    try:
        # One at a time: asked for both, SQLite reads every page.
        found = database.execute(f"SELECT {which}(sequence) FROM messages").fetchone()[0]  # noqa: S608 - min or max
    except sqlite3.DatabaseError:
        return None
    return int(found or 0)
