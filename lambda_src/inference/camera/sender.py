"""The thread that sends messages from the spool in order, and removes accepted messages."""

import logging
import threading
from collections.abc import Callable

from camera.backoff import Backoff
from camera.greengrass import ResultPublisher
from camera.spool import Spool

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
# The pause is short, so that sending resumes soon after a long outage.
_LONGEST_PAUSE_SECONDS = 5.0

OnFailure = Callable[[Exception, int], None]


class SpoolSender:
    """A sender of one message at a time, which preserves the order.

    A message is sent again until it is accepted. `in_flight` is the number of messages that can be
    sent twice.
    """

    in_flight = 1

    def __init__(self, spool: Spool, publisher: ResultPublisher, *, on_failure: OnFailure) -> None:
        """Call `on_failure` with each failure and the number of consecutive failures."""
        self._spool = spool
        self._publisher = publisher
        self._on_failure = on_failure
        self._stopping = threading.Event()

    def run(self) -> None:
        """Send messages until `stop` is called; failures do not end the loop."""
        backoff = Backoff(first_seconds=0.5, longest_seconds=_LONGEST_PAUSE_SECONDS)
        # An accepted message that could not be removed is not sent again.
        accepted: int | None = None
        while not self._stopping.is_set():
            try:
                if accepted is None:
                    message = self._spool.oldest()
                    if message is None:
                        self._spool.wait(_POLL_SECONDS)
                        continue
                    self._publisher.publish(message.topic, message.payload)
                    accepted = message.sequence
                self._spool.remove(accepted)
                accepted = None
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                if self._stopping.is_set():
                    # The next process sends the message again.
                    return
                pause_seconds = backoff.failed()
                self._on_failure(error, backoff.consecutive)
                self._stopping.wait(pause_seconds)
            else:
                if failures := backoff.succeeded():
                    logger.info(
                        "messages are accepted again after %d consecutive failures", failures
                    )

    def stop(self) -> None:
        """Make `run` return after the current message; other messages remain in the spool."""
        self._stopping.set()
        self._spool.wake()
