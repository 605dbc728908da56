"""Reports of failures in heartbeats, in the log, and in messages without repetitions."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from camera.backoff import ErrorCounts, is_logged
from camera.errors import DeviceError
from camera.heartbeat import HeartbeatReporter
from camera.messages import error_message, error_report
from camera.outbox import Outbox
from shared.artifact.errors import ArtifactError

if TYPE_CHECKING:
    from shared.messages.heartbeat import ModelIdentity

logger = logging.getLogger(__name__)


class ErrorReporter:
    """A reporter of failures for any thread.

    `model` is the running model for the messages; None until a model runs.
    """

    def __init__(
        self,
        *,
        thing: str,
        heartbeat: HeartbeatReporter,
        outbox: Outbox,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model: ModelIdentity | None = None
        self._thing = thing
        self._heartbeat = heartbeat
        self._outbox = outbox
        self._repeats = ErrorCounts(clock)
        self._counting = threading.Lock()

    def frame_failed(self, error: Exception, consecutive: int) -> None:
        """Report a failure that prevented the processing of a frame."""
        self._heartbeat.failed(error_report(error, consecutive))
        self._publish(error, consecutive)

    def degraded(self, error: Exception, consecutive: int = 1) -> None:
        """Report a failure that does not prevent the processing of frames."""
        self._heartbeat.degraded(error_report(error, consecutive))
        self._publish(error, consecutive)

    def dropped(self, error: Exception) -> None:
        """Report a dropped message without another message, which could not be stored either."""
        self._heartbeat.degraded(error_report(error, 1))
        with self._counting:
            count = self._repeats.count(error)
        _log(error, count)

    def _publish(self, error: Exception, consecutive: int) -> None:
        with self._counting:
            count = self._repeats.count(error)
        _log(error, count)
        if count > 1:
            return
        report = error_report(error, consecutive)
        self._outbox.send(lambda id_: error_message(self._thing, id_, self.model, report))


def _log(error: Exception, count: int) -> None:
    if is_logged(count):
        logger.error(
            "%s: %s (occurrence %d)",
            type(error).__name__,
            error,
            count,
            # Messages of expected errors are complete; other errors require the traceback.
            exc_info=None if isinstance(error, DeviceError | ArtifactError) else error,
        )
