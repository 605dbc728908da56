"""From the spool to whoever takes messages on: in order, and removed when they were taken."""

import logging
import threading
from collections.abc import Callable

from camera.backoff import Backoff
from camera.greengrass import ResultPublisher
from camera.spool import Spool

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
# Short enough that a day's outage is noticed to be over at once.
_LONGEST_PAUSE_SECONDS = 5.0

OnFailure = Callable[[Exception, int], None]


class Delivery:
    """Hands on one message at a time: order is kept, and at most one is ever sent twice.

    A message that is not taken is tried again until it is. `in_flight` is that bound.
    """

    in_flight = 1

    def __init__(self, spool: Spool, publisher: ResultPublisher, *, on_failure: OnFailure) -> None:
        """`on_failure` is called with each failure and how many there were in a row."""
        self._spool = spool
        self._publisher = publisher
        self._on_failure = on_failure
        self._stopping = threading.Event()

    def run(self) -> None:
        """Hand messages on until `stop` is called; nothing that fails ends it."""
        backoff = Backoff(first_seconds=0.5, longest_seconds=_LONGEST_PAUSE_SECONDS)
        # A message that was taken but could not be removed is not sent again by this process.
        taken: int | None = None
        while not self._stopping.is_set():
            try:
                if taken is None:
                    message = self._spool.oldest()
                    if message is None:
                        self._spool.wait(_LOOK_SECONDS)
                        continue
                    self._publisher.publish(message.topic, message.payload)
                    taken = message.sequence
                self._spool.remove(taken)
                taken = None
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may succeed
                if self._stopping.is_set():
                    # The next process tries again.
                    return
                pause_seconds = backoff.failed()
                self._on_failure(error, backoff.consecutive)
                self._stopping.wait(pause_seconds)
            else:
                if failures := backoff.succeeded():
                    logger.info("messages are taken again after %d failures in a row", failures)

    def stop(self) -> None:
        """Make `run` return after the message at hand; what is left stays in the spool."""
        self._stopping.set()
        self._spool.wake()
