"""The spool: a bounded on-disk queue of undelivered messages.

It is an SQLite database with a write-ahead log. `add` returns when the message is on disk
(`synchronous=FULL`), so a power failure loses no stored message. `remove` does not wait for the
disk, which reduces writes to the flash memory. After a power failure, a delivered message may
therefore be sent again, which at-least-once delivery permits.
"""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from camera.errors import SpoolError
from camera.spool_file import (
    Reserve,
    checksum_of,
    connect,
    is_damage,
    is_intact,
    recover,
    set_aside,
)
from shared.messages.heartbeat import SpoolState

logger = logging.getLogger(__name__)

_FILE = "spool.sqlite"
_RESERVE_FILE = "spool.reserve"
_RESERVE_BYTES = 1 << 20
_LIMIT_BYTES = 64 << 20
_MEMORY_LIMIT_BYTES = 4 << 20
# The maximum number of bytes that a row occupies in addition to its payload.
_ROW_BYTES = 64


@dataclass(frozen=True)
class Entry:
    """A message to store: its topic and its payload."""

    topic: str
    payload: bytes

    @property
    def checksum(self) -> int:
        """CRC-32 of topic and payload."""
        return checksum_of(self.topic, self.payload)


@dataclass(frozen=True)
class SpooledMessage(Entry):
    """A message in the spool; sequences ascend in the order of storage."""

    sequence: int


class Spool:
    """A bounded queue on disk for one process; any thread may use it.

    Messages never occupy more than `limit_bytes`. A full spool rejects new messages and keeps those
    that it has already accepted. If the disk is full, a reserve file is removed, because removing a
    message also requires disk space.
    """

    def __init__(
        self,
        directory: Path | None,
        *,
        limit_bytes: int = _LIMIT_BYTES,
        reserve_bytes: int = _RESERVE_BYTES,
    ) -> None:
        """Open or create the spool; recover the readable messages of a damaged spool.

        Args:
            directory: the folder of the spool; None creates a spool in memory.
            limit_bytes: the limit of all messages.
            reserve_bytes: the size of the reserve file.

        Raises:
            SpoolError: the folder cannot be used, or another process has opened the spool.
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
        self._allocate_reserve()

    @classmethod
    def in_memory(cls) -> Self:
        """Return a spool in memory, for a machine without a usable disk."""
        return cls(None, limit_bytes=_MEMORY_LIMIT_BYTES)

    def add(self, entries: Sequence[Entry]) -> None:
        """Store all messages or none, and return when they are on disk.

        Raises:
            SpoolError: the disk or the spool is full.
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
                self._recover_from(error)
                raise SpoolError(f"the spool cannot be written: {error}") from error
            self._messages += len(entries)
            self._bytes += size
            self._changed.notify_all()

    def oldest(self) -> SpooledMessage | None:
        """Return the oldest intact message, or None; count and skip damaged messages.

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
                    if is_intact(topic, payload, checksum):
                        return SpooledMessage(topic, payload, sequence)
                    self._corrupt += 1
                    logger.error("message %d in the spool is damaged and was skipped", sequence)
                    self.remove(sequence)
            except sqlite3.Error as error:
                self._recover_from(error)
                raise SpoolError(f"the spool cannot be read: {error}") from error

    def remove(self, sequence: int) -> None:
        """Remove a delivered message.

        Raises:
            SpoolError: the disk cannot be written, even without the reserve file. The message
                remains.
        """
        with self._changed:
            try:
                self._delete(sequence)
            except sqlite3.Error as error:
                self._recover_from(error)
                raise SpoolError(f"the spool cannot be written: {error}") from error
            self._allocate_reserve()

    def wait(self, seconds: float) -> None:
        """Wait until the spool contains a message, `wake` is called, or the time has elapsed."""
        with self._changed:
            if not self._messages:
                self._changed.wait(seconds)

    def wake(self) -> None:
        """Make a waiting `wait` return."""
        with self._changed:
            self._changed.notify_all()

    def state(self) -> SpoolState:
        """Return the heartbeat's section `spool`."""
        with self._changed:
            fill = round(self._bytes / self._limit_bytes, 4)
            return SpoolState(self._messages, self._bytes, fill, self._corrupt)

    def close(self, wait_seconds: float = -1.0) -> bool:
        """Close the file; the messages remain on disk.

        Later calls by other threads raise `SpoolError`.

        Args:
            wait_seconds: the maximum wait for a thread that currently reads or writes; a negative
                value has no limit.

        Returns:
            True if the file is closed; false if the disk did not respond to the other thread.
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
            logger.error("the spool is damaged: %s", error)  # noqa: TRY400 - recovery follows
        return self._replace(self._file)

    def _replace(self, file: Path) -> sqlite3.Connection:
        """Create a new file with the readable messages of the damaged file."""
        damaged = set_aside(file)
        database = connect(file)
        recovered = recover(damaged)
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO messages VALUES (?, ?, ?, ?)", recovered.rows)
        database.execute("COMMIT")
        self._corrupt += recovered.lost
        logger.error(
            "recovered %d messages of the damaged spool; lost %d; the damaged file is %s",
            len(recovered.rows),
            recovered.lost,
            damaged,
        )
        return database

    def _recover_from(self, error: sqlite3.Error) -> None:
        """Continue with a new file if the current file is damaged."""
        if not self._file or not is_damage(error):
            return
        logger.error("the spool is damaged: %s", error)
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
            # The usual cause is a full disk, on which the write-ahead log cannot grow.
            if not self._reserve or not self._reserve.release():
                raise
            logger.warning("the disk is full; the spool's reserve was removed")
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

    def _allocate_reserve(self) -> None:
        if self._reserve:
            self._reserve.allocate()
