"""The spool's files: the database, and a reserve of room beside it."""

import contextlib
import os
import sqlite3
from pathlib import Path

_WAL_PAGES = 128
_LOCK_SECONDS = 4.0


class Reserve:
    """A file that takes room until somebody needs it."""

    def __init__(self, file: Path, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self._is_kept = False

    def keep(self) -> None:
        """Take the room (again); on a full disk there is none for now."""
        if self._is_kept:
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
            self._is_kept = True

    def give_up(self) -> bool:
        """Give the room back to the disk; return whether there was any."""
        given_up, self._is_kept = self._is_kept, False
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        return given_up


def connect(file: Path | str) -> sqlite3.Connection:
    """Open a spool's file and check it; raise `sqlite3.Error`."""
    if isinstance(file, Path):
        file.touch(mode=0o600, exist_ok=True)
    database = sqlite3.connect(
        file, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        # One process at a time: another's lock is an error, not two senders of one message.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        database.execute(
            "CREATE TABLE IF NOT EXISTS messages (sequence INTEGER PRIMARY KEY, "
            "topic TEXT NOT NULL, payload BLOB NOT NULL, checksum INTEGER NOT NULL)"
        )
        _check(database)
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection) -> None:
    answer = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        damage = sqlite3.DatabaseError(answer)
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage
