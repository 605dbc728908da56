"""The spool: messages on disk from the moment they are decided until somebody took them.

SQLite with a write-ahead log. Adding waits until the disk has it (`synchronous=FULL`), so that a
power cut loses nothing that was added. Removing does not wait: after a power cut a message that
was taken may come again, which at-least-once allows, and flash memory is spared.
"""

import contextlib
import logging
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from camera.errors import SpoolError
from camera.spool_file import Reserve, connect
from camera.spool_repair import is_damage, salvage, set_aside

logger = logging.getLogger(__name__)

_FILE = "spool.sqlite"
_RESERVE_FILE = "spool.reserve"
_RESERVE_BYTES = 1 << 20
_LIMIT_BYTES = 64 << 20
_MEMORY_LIMIT_BYTES = 4 << 20
_ROW_BYTES = 64  # What a row takes besides its payload, generously.


@dataclass(frozen=True)
class Entry:
    """What is to be kept: where it goes, and what it says."""

    topic: str
    payload: bytes

    @property
    def checksum(self) -> int:
        """CRC-32 of topic and payload."""
        return zlib.crc32(self.payload, zlib.crc32(self.topic.encode()))


@dataclass(frozen=True)
class SpooledMessage(Entry):
    """A message in the spool; sequences ascend in the order in which messages were added."""

    sequence: int


@dataclass(frozen=True)
class SpoolState:
    """How full the spool is (fill: share of its limit, 0 to 1), and what was lost in it."""

    messages: int
    bytes: int
    fill: float
    corrupt: int


class Spool:
    """A bounded queue on disk for one process; threads may share it.

    It never takes more than `limit_bytes` of messages: the newest one is refused then, since an
    older one was promised to arrive. A reserve beside it is given back to a disk that is full, so
    that removing, which needs room as well, still works.
    """

    def __init__(
        self,
        directory: Path | None,
        *,
        limit_bytes: int = _LIMIT_BYTES,
        reserve_bytes: int = _RESERVE_BYTES,
    ) -> None:
        """Open the spool, or make it; a damaged one is set aside and what can be read is kept.

        Without a directory it is in memory.

        Raises:
            SpoolError: the folder cannot be used, or another process has the spool open.
        """
        self._file = directory / _FILE if directory else None
        self._reserve = Reserve(directory / _RESERVE_FILE, reserve_bytes) if directory else None
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition(threading.RLock())
        self._corrupt = 0
        try:
            if directory:
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = self._open()
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(f"the spool {self._file} cannot be opened: {error}") from error
        self._messages, self._bytes = self._measure()
        self._keep_reserve()

    @classmethod
    def in_memory(cls) -> Self:
        """Return a spool that ends with the process, for a machine without a usable disk."""
        return cls(None, limit_bytes=_MEMORY_LIMIT_BYTES)

    def add(self, entries: Sequence[Entry]) -> None:
        """Keep messages, all or none; return when the disk has them.

        Raises:
            SpoolError: there is no room, on the disk or within the limit.
        """
        size = sum(len(entry.payload) + _ROW_BYTES for entry in entries)
        with self._changed:
            if self._bytes + size > self._limit_bytes:
                raise SpoolError(
                    f"the spool is full: {self._bytes} of {self._limit_bytes} bytes, "
                    f"{self._messages} messages wait for Greengrass"
                )
            try:
                with self._transaction("FULL"):
                    self._database.executemany(
                        "INSERT INTO messages (topic, payload, checksum) VALUES (?, ?, ?)",
                        [(entry.topic, entry.payload, entry.checksum) for entry in entries],
                    )
            except sqlite3.Error as error:
                self._mend(error)
                raise SpoolError(f"the spool cannot be written: {error}") from error
            self._messages += len(entries)
            self._bytes += size
            self._changed.notify_all()

    def oldest(self) -> SpooledMessage | None:
        """Return the message that is first in line, or None; a damaged one is skipped, counted.

        Raises:
            SpoolError: the disk cannot be read.
        """
        with self._changed:
            try:
                while True:
                    row = self._database.execute(
                        "SELECT sequence, topic, payload, checksum FROM messages "
                        "ORDER BY sequence LIMIT 1"
                    ).fetchone()
                    if row is None:
                        return None
                    sequence, topic, payload, checksum = row
                    if isinstance(topic, str) and isinstance(payload, bytes):
                        message = SpooledMessage(topic, payload, sequence)
                        if message.checksum == checksum:
                            return message
                    self._corrupt += 1
                    logger.error("message %d in the spool is damaged; it is skipped", sequence)
                    self.remove(sequence)
            except sqlite3.Error as error:
                self._mend(error)
                raise SpoolError(f"the spool cannot be read: {error}") from error

    def remove(self, sequence: int) -> None:
        """Forget a message that was taken.

        Raises:
            SpoolError: the disk cannot be written, even with the reserve; it comes again.
        """
        with self._changed:
            try:
                self._delete(sequence)
            except sqlite3.Error as error:
                self._mend(error)
                raise SpoolError(f"the spool cannot be written: {error}") from error
            self._keep_reserve()

    def wait(self, seconds: float) -> None:
        """Wait until there is a message, or `wake` is called, or the time is over."""
        with self._changed:
            if not self._messages:
                self._changed.wait(seconds)

    def wake(self) -> None:
        """Make `wait` return now."""
        with self._changed:
            self._changed.notify_all()

    def state(self) -> SpoolState:
        """Return how full it is."""
        with self._changed:
            fill = round(self._bytes / self._limit_bytes, 4)
            return SpoolState(self._messages, self._bytes, fill, self._corrupt)

    def close(self, wait_seconds: float = -1.0) -> bool:
        """Close the file; what is in the spool stays.

        Another thread may still use the spool; it gets a `SpoolError`.

        Args:
            wait_seconds: the limit of the wait for a thread that reads or writes at this moment;
                negative: none.

        Returns:
            whether the file is closed: false if the disk did not respond to the other thread.
        """
        if not self._changed.acquire(timeout=wait_seconds):
            return False
        try:
            self._database.close()
        finally:
            self._changed.release()
        return True

    def _open(self) -> sqlite3.Connection:
        if not self._file:
            return connect(":memory:")
        try:
            return connect(self._file)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            logger.exception("the spool is damaged; what can be read is kept")
        return self._replace(self._file)

    def _replace(self, file: Path) -> sqlite3.Connection:
        """Start a new file with what can be read of the damaged one."""
        damaged = set_aside(file)
        database = connect(file)
        with database:
            for row in salvage(damaged):
                if row is None:
                    self._corrupt += 1
                else:
                    database.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", row)
        return database

    def _mend(self, error: sqlite3.Error) -> None:
        """Go on with a new file when this one turns out to be damaged."""
        if not self._file or not is_damage(error):
            return
        logger.error("the spool is damaged; what can be read is kept: %s", error)
        self._database.close()
        try:
            self._database = self._replace(self._file)
        except (OSError, sqlite3.Error) as worse:
            raise SpoolError(f"the damaged spool cannot be replaced: {worse}") from worse
        self._messages, self._bytes = self._measure()

    def _measure(self) -> tuple[int, int]:
        count, size = self._database.execute(
            "SELECT count(*), ifnull(sum(length(payload)), 0) FROM messages"
        ).fetchone()
        return count, size + count * _ROW_BYTES

    def _delete(self, sequence: int) -> None:
        size = self._database.execute(
            "SELECT length(payload) FROM messages WHERE sequence = ?", (sequence,)
        ).fetchone()
        try:
            self._delete_row(sequence)
        except sqlite3.OperationalError:
            # The write-ahead log cannot grow, it seems.
            if not self._reserve or not self._reserve.give_up():
                raise
            logger.warning("the disk is full; the spool gives up its reserve to drain")
            self._delete_row(sequence)
        if size:
            self._messages -= 1
            self._bytes -= (size[0] or 0) + _ROW_BYTES

    def _delete_row(self, sequence: int) -> None:
        with self._transaction("NORMAL"):
            self._database.execute("DELETE FROM messages WHERE sequence = ?", (sequence,))

    @contextlib.contextmanager
    def _transaction(self, synchronous: str) -> Iterator[None]:
        self._database.execute(f"PRAGMA synchronous = {synchronous}")
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _keep_reserve(self) -> None:
        if self._reserve:
            self._reserve.keep()
