"""From decided to spooled: messages get their ids, and go to disk in a thread of their own.

Waiting for a disk takes milliseconds, so the loop does not: what it decided while the disk was
busy is written together. What cannot be kept is counted, and the count is sent when there is room.
"""

import contextlib
import queue
import secrets
import threading
from collections.abc import Callable

from camera.errors import SpoolError
from camera.messages import LARGEST_MESSAGE_BYTES, dropped_message, timestamp
from camera.spool import Entry, Spool

_MOST_WAITING = 64
_LONGEST_WAIT_SECONDS = 5.0
_LOOK_SECONDS = 0.5

OnDropped = Callable[[SpoolError], None]


class MessageIds:
    """Ids that no other message has: a random part per start, then a number from 1.

    No clock and no file is part of them, so neither a wrong clock nor a lost disk repeats one.
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
    """Takes messages from any thread; `run` puts them into the spool, in order.

    `dropped` counts the messages since the start that could not be kept.
    """

    def __init__(self, spool: Spool, *, thing: str, topic: str, on_dropped: OnDropped) -> None:
        """`on_dropped` is called when messages could not be kept; it must not send one."""
        self._spool = spool
        self._thing = thing
        self._topic = topic
        self._on_dropped = on_dropped
        self._ids = MessageIds()
        # Taking an id and a place in the queue is one step, or ids and order would differ.
        self._sending = threading.Lock()
        self._waiting: queue.Queue[Entry] = queue.Queue(_MOST_WAITING)
        self._stopping = threading.Event()
        self._dropping = threading.Lock()
        self.dropped = 0
        # How many of these the cloud was told, and the first that it was not told.
        self._told = 0
        self._first_untold: tuple[str, str] | None = None

    def send(self, build: Callable[[str], bytes]) -> None:
        """Take a message; `build` makes its bytes from its id.

        Waits when the disk is far behind, and drops the message when that lasts.

        Raises:
            ValueError: the message cannot be said in JSON, or is too large to be taken.
        """
        with self._sending:
            payload = build(self._ids.next())
            if len(payload) > LARGEST_MESSAGE_BYTES:
                raise ValueError(
                    f"a message of {len(payload)} bytes; AWS IoT Core takes at most "
                    f"{LARGEST_MESSAGE_BYTES}"
                )
            try:
                self._waiting.put(Entry(self._topic, payload), timeout=_LONGEST_WAIT_SECONDS)
            except queue.Full:
                self._drop(SpoolError("the disk is too slow for what is decided"))

    def run(self) -> None:
        """Keep what is sent until `stop`, and then the rest."""
        while not self._stopping.is_set():
            self._keep(self._take(_LOOK_SECONDS))
        while entries := self._take(0):
            self._keep(entries)

    def stop(self) -> None:
        """Make `run` return once all that was sent is on disk."""
        self._stopping.set()

    def _take(self, seconds: float) -> list[Entry]:
        """Return all that waits; wait for the first of it."""
        entries = []
        with contextlib.suppress(queue.Empty):
            entries.append(self._waiting.get(timeout=seconds) if seconds else self._next())
            while True:
                entries.append(self._next())
        return entries

    def _next(self) -> Entry:
        return self._waiting.get_nowait()

    def _keep(self, entries: list[Entry]) -> None:
        try:
            self._add(entries)
        except SpoolError as error:
            # One by one, as many as there is room for.
            if len(entries) > 1:
                for entry in entries:
                    self._keep([entry])
            elif entries:
                self._drop(error)

    def _add(self, entries: list[Entry]) -> None:
        """Keep entries, and before them the word about what was dropped before them."""
        with self._dropping:
            untold, first = self.dropped - self._told, self._first_untold
        if first is None:
            if entries:
                self._spool.add(entries)
            return
        since, reason = first
        payload = dropped_message(
            self._thing, self._ids.next(), count=untold, since=since, reason=reason
        )
        self._spool.add([Entry(self._topic, payload), *entries])
        with self._dropping:
            self._told += untold
            if self._told == self.dropped:
                self._first_untold = None

    def _drop(self, error: SpoolError) -> None:
        with self._dropping:
            self.dropped += 1
            if self._first_untold is None:
                self._first_untold = (timestamp(), str(error))
        self._on_dropped(error)
