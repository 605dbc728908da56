"""One failure, three readers: the heartbeat always, the log seldom, the cloud once."""

import logging
import threading
import time
from collections.abc import Callable

from camera.errors import DeviceError
from camera.failures import Repeats, is_worth_a_line
from camera.heartbeat import Heartbeat
from camera.messages import ErrorReport, ModelIdentity, error_message
from camera.outbox import Outbox
from shared.artifact.errors import VisionError

logger = logging.getLogger(__name__)


class FailureReports:
    """Tells of failures; any thread may.

    `model` is the one that runs, for the messages; None until one does.
    """

    def __init__(
        self,
        *,
        thing: str,
        heartbeat: Heartbeat,
        outbox: Outbox,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model: ModelIdentity | None = None
        self._thing = thing
        self._heartbeat = heartbeat
        self._outbox = outbox
        self._repeats = Repeats(clock)
        self._counting = threading.Lock()

    def stopped_by(self, error: Exception, consecutive: int) -> None:
        """Tell of a failure without which there would have been a frame."""
        self._heartbeat.failed(ErrorReport.of(error, consecutive))
        self._tell(error, consecutive)

    def slowed_by(self, error: Exception, consecutive: int = 1) -> None:
        """Tell of a failure in spite of which frames go on."""
        self._heartbeat.noted(ErrorReport.of(error, consecutive))
        self._tell(error, consecutive)

    def dropped_by(self, error: Exception) -> None:
        """Tell of a failure that keeps messages off the disk: this one's message included."""
        self._heartbeat.noted(ErrorReport.of(error, 1))
        with self._counting:
            count = self._repeats.count(error)
        _log(error, count)

    def _tell(self, error: Exception, consecutive: int) -> None:
        with self._counting:
            count = self._repeats.count(error)
        _log(error, count)
        if count > 1:
            return
        report = ErrorReport.of(error, consecutive)
        self._outbox.send(lambda id_: error_message(self._thing, id_, self.model, report))


def _log(error: Exception, count: int) -> None:
    if is_worth_a_line(count):
        logger.error(
            "failure, %s: %s: %s",
            "the first time" if count == 1 else f"{count} times by now",
            type(error).__name__,
            error,
            # An expected failure is said in its message; for any other the place helps.
            exc_info=None if isinstance(error, DeviceError | VisionError) else error,
        )
