"""The queue between the loop and the spool, whose thread writes messages to the disk.

The loop does not wait for the disk, which takes milliseconds per write. Messages that arrive during
a write are written together. Messages that cannot be stored are counted, and a message with the
count is stored as soon as space is available.
"""

import contextlib
import queue
import secrets
import threading
from collections.abc import Callable

from camera.errors import SpoolError
from camera.messages import LARGEST_MESSAGE_BYTES, dropped_message
from camera.spool import Entry, Spool
from shared.messages.heartbeat import timestamp

_MAX_WAITING = 64
_LONGEST_WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.5

OnDropped = Callable[[SpoolError], None]


class MessageIds:
    """Unique message ids: a random part for each start, and a number from 1.

    The ids do not depend on a clock or a file, so a wrong clock or a lost disk repeats none.
    """

    def __init__(self) -> None:
        self._run = secrets.token_hex(6)
        self._count = 0
        self._counting = threading.Lock()

    def next(self) -> str:
        """Return the next id."""
        with self._counting:
            self._count += 1
            return f"{self._run}-{self._count}"


class Outbox:
    """A queue that accepts messages from any thread; `run` stores them in the spool in order.

    `dropped` is the number of messages since the start that could not be stored.
    """

    def __init__(self, spool: Spool, *, thing: str, topic: str, on_dropped: OnDropped) -> None:
        """Call `on_dropped` if a message could not be stored; it must not send a message."""
        self._spool = spool
        self._thing = thing
        self._topic = topic
        self._on_dropped = on_dropped
        self._ids = MessageIds()
        # Under this lock, a message receives its id and its place in the queue, so that ids are in
        # order.
        self._sending = threading.Lock()
        self._waiting: queue.Queue[Entry] = queue.Queue(_MAX_WAITING)
        self._stopping = threading.Event()
        self._dropping = threading.Lock()
        self.dropped = 0
        # The number of drops in stored messages, and the first drop that is in none.
        self._reported = 0
        self._first_unreported: tuple[str, str] | None = None

    def send(self, build: Callable[[str], bytes]) -> None:
        """Add a message to the queue; `build(id)` returns the bytes of the message with that id.

        If the queue remains full for five seconds, the message is dropped.

        Raises:
            ValueError: JSON cannot represent the message, or the message is too large.
        """
        with self._sending:
            payload = build(self._ids.next())
            if len(payload) > LARGEST_MESSAGE_BYTES:
                raise ValueError(
                    f"the message has {len(payload)} bytes; AWS IoT Core accepts at most "
                    f"{LARGEST_MESSAGE_BYTES}"
                )
            try:
                self._waiting.put(Entry(self._topic, payload), timeout=_LONGEST_WAIT_SECONDS)
            except queue.Full:
                self._drop(SpoolError("the disk is too slow for the rate of messages"))

    def run(self) -> None:
        """Store messages until `stop` is called, and then the remaining messages."""
        while not self._stopping.is_set():
            self._store(self._take(_POLL_SECONDS))
        while entries := self._take(0):
            self._store(entries)

    def stop(self) -> None:
        """Make `run` return after all queued messages are stored."""
        self._stopping.set()

    def _take(self, seconds: float) -> list[Entry]:
        """Wait up to `seconds` for a message; return all queued messages."""
        entries = []
        with contextlib.suppress(queue.Empty):
            entries.append(self._waiting.get(timeout=seconds) if seconds else self._next())
            while True:
                entries.append(self._next())
        return entries

    def _next(self) -> Entry:
        return self._waiting.get_nowait()

    def _store(self, entries: list[Entry]) -> None:
        try:
            self._add(entries)
        except SpoolError as error:
            # Messages are stored individually while space is available.
            if len(entries) > 1:
                for entry in entries:
                    self._store([entry])
            elif entries:
                self._drop(error)

    def _add(self, entries: list[Entry]) -> None:
        """Store entries, preceded by a message about dropped messages."""
        with self._dropping:
            unreported, first = self.dropped - self._reported, self._first_unreported
        if first is None:
            if entries:
                self._spool.add(entries)
            return
        since, reason = first
        payload = dropped_message(
            self._thing, self._ids.next(), count=unreported, since=since, reason=reason
        )
        self._spool.add([Entry(self._topic, payload), *entries])
        with self._dropping:
            self._reported += unreported
            if self._reported == self.dropped:
                self._first_unreported = None

    def _drop(self, error: SpoolError) -> None:
        with self._dropping:
            self.dropped += 1
            if self._first_unreported is None:
                self._first_unreported = (timestamp(), str(error))
        self._on_dropped(error)
