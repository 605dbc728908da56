"""The spool's files: the database, recovery of a damaged database, and a reserve of disk space."""

import contextlib
import os
import sqlite3
import zlib
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

_WAL_PAGES = 128
_LOCK_SECONDS = 4.0
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# SQLite reports some damage of the header and the schema with general codes. If the message quotes
# a damaged schema, Python raises UnicodeDecodeError.
_DAMAGE_AT_OPEN = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY)
_READ_ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)
_PRIMARY_CODE = 0xFF
# Messages are always longer, because they contain an id, a thing and a model.
_LEAST_ROW_BYTES = 64
# A higher sequence is damage: at one message per microsecond, 100,000 years pass before this limit.
_SEQUENCE_LIMIT = 1 << 62

# Columns of a row: sequence, topic, payload, checksum.
Row = tuple[int, str, bytes, int]


class Reserve:
    """A file that occupies disk space until the spool requires it."""

    def __init__(self, file: Path, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self._is_allocated = False

    def allocate(self) -> None:
        """Create the file if it does not exist; if the disk is full, a later call creates it."""
        if self._is_allocated:
            return
        partial = self._file.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size_bytes)
            partial.rename(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        else:
            self._is_allocated = True

    def release(self) -> bool:
        """Remove the file; return true if it existed."""
        was_allocated, self._is_allocated = self._is_allocated, False
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        return was_allocated


def connect(file: Path | str) -> sqlite3.Connection:
    """Open a spool's database and check it.

    Raises:
        sqlite3.Error: the database is damaged, locked by another process, or not accessible.
    """
    if isinstance(file, Path):
        file.touch(mode=0o600, exist_ok=True)
    database = _open(file)
    try:
        # With an exclusive lock, a second process fails instead of sending all messages again.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        database.execute(
            "CREATE TABLE IF NOT EXISTS messages (sequence INTEGER PRIMARY KEY, "
            "topic TEXT NOT NULL, payload BLOB NOT NULL, checksum INTEGER NOT NULL)"
        )
        _check(database)
    except BaseException as error:
        database.close()
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        if isinstance(error, UnicodeDecodeError) or code in _DAMAGE_AT_OPEN:
            raise _damage(f"the schema or the header is damaged: {error}") from error
        raise
    return database


def is_damage(error: sqlite3.Error) -> bool:
    """Return true if the error is caused by damage; false if, for example, the disk is full."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY_CODE in _DAMAGE


def set_aside(file: Path) -> Path:
    """Rename a damaged spool, replacing an earlier damaged spool; return the new path."""
    damaged = file.with_name(f"{file.name}.damaged")
    for suffix in ("", "-wal", "-shm"):
        part = file.with_name(file.name + suffix)
        target = damaged.with_name(damaged.name + suffix)
        target.unlink(missing_ok=True)
        if part.exists():
            part.rename(target)
    return damaged


def checksum_of(topic: str, payload: bytes) -> int:
    """Return the CRC-32 of a message's topic and payload."""
    return zlib.crc32(payload, zlib.crc32(topic.encode("utf-8", "replace")))


@dataclass(frozen=True)
class Recovered:
    """The readable rows of a damaged spool in ascending order, and the number of lost rows."""

    rows: list[Row]
    lost: int


def recover(damaged: Path) -> Recovered:
    """Read a damaged spool range by range.

    Sequences have no gaps, because the oldest message is always removed first. Each unreadable
    sequence between the lowest and the highest sequence is therefore a lost message. If damage
    hides the lowest or the highest sequence, the unknown number of messages counts as 1.
    """
    log = damaged.with_name(f"{damaged.name}-wal")
    size_bytes = sum(file.stat().st_size for file in (damaged, log) if file.exists())
    most_rows = size_bytes // _LEAST_ROW_BYTES + 1
    rows: dict[int, Row] = {}
    with contextlib.closing(_open(damaged)) as database:
        lowest, highest = _edge(database, "min"), _edge(database, "max")
        if lowest == highest == 0:
            return Recovered([], 0)
        if lowest and highest and lowest <= highest < lowest + most_rows:
            _read(database, lowest, highest, rows)
            lost = highest - lowest + 1 - len(rows)
        else:
            if lowest:
                _read(database, lowest, _last_readable(database, lowest, most_rows), rows)
            if highest:
                _read(database, _first_readable(database, highest, most_rows), highest, rows)
            lost = max(rows, default=0) - min(rows, default=1) + 1 - len(rows) + 1
    return Recovered([rows[sequence] for sequence in sorted(rows)], lost)


def _read(database: sqlite3.Connection, first: int, last: int, rows: dict[int, Row]) -> None:
    """Add the intact rows of a range of sequences; split a range that cannot be read completely."""
    count = intact = 0
    is_failed = False
    try:
        for row in database.execute(
            "SELECT sequence, topic, payload, checksum FROM messages "
            "WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
            (first, last),
        ):
            count += 1
            if is_intact(*row[1:]):
                intact += 1
                rows[row[0]] = row
    except _READ_ERRORS:
        is_failed = True
    is_incomplete = intact <= last - first and (is_failed or count > 0)
    if is_incomplete and first < last:
        middle = (first + last) // 2
        _read(database, first, middle, rows)
        _read(database, middle + 1, last, rows)


def is_intact(topic: object, payload: object, checksum: object) -> bool:
    """Return true if the columns of a row have their types and the checksum matches."""
    if not isinstance(topic, str) or not isinstance(payload, bytes):
        return False
    return checksum_of(topic, payload) == checksum


def _edge(database: sqlite3.Connection, function: str) -> int | None:
    """Return the lowest ("min") or highest ("max") sequence; 0 without rows, None if damaged."""
    try:
        # Two queries are used, because SQLite reads every page to answer both in one query.
        query = f"SELECT ifnull({function}(sequence), 0) FROM messages"  # noqa: S608 - min or max
        sequence: int = database.execute(query).fetchone()[0]
    except _READ_ERRORS:
        return None
    return sequence if 0 <= sequence < _SEQUENCE_LIMIT else None


def _first_readable(database: sqlite3.Connection, highest: int, most_rows: int) -> int:
    """Return the lowest sequence from which all rows up to `highest` can be read."""
    candidates = range(max(1, highest - most_rows), highest)
    query = "SELECT 1 FROM messages WHERE sequence >= ? ORDER BY sequence LIMIT 1"
    return candidates.start + bisect_left(
        candidates, 1, key=lambda sequence: int(_succeeds(database, query, sequence))
    )


def _last_readable(database: sqlite3.Connection, lowest: int, most_rows: int) -> int:
    """Return the highest sequence up to which all rows from `lowest` on can be read."""
    candidates = range(lowest + 1, lowest + most_rows)
    query = "SELECT 1 FROM messages WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1"
    return lowest + bisect_left(
        candidates, 1, key=lambda sequence: int(not _succeeds(database, query, sequence))
    )


def _succeeds(database: sqlite3.Connection, query: str, sequence: int) -> bool:
    try:
        database.execute(query, (sequence,)).fetchone()
    except _READ_ERRORS:
        return False
    return True


def _open(file: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(
        file, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
    )
    # A damaged topic may not be UTF-8; its checksum then differs.
    database.text_factory = lambda text: text.decode("utf-8", "replace")
    return database


def _check(database: sqlite3.Connection) -> None:
    result = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if result != "ok":
        raise _damage(result)
    # A damaged schema can have other columns.
    database.execute("SELECT sequence, topic, payload, checksum FROM messages LIMIT 0")


def _damage(reason: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(reason)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
