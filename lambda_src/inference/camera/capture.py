"""Asks the camera for pictures at the set rate, and leaves the newest for the engine."""

import logging
import threading
import time
from collections.abc import Callable

from camera.backoff import Backoff
from camera.dynamic_settings import CurrentSettings
from camera.error_reporter import FailureReports
from camera.errors import CameraError
from camera.frame_checks import PictureWatch
from camera.frames import Camera, Frame, NewestFrame

logger = logging.getLogger(__name__)

_BLOCKED_SECONDS = 10.0


class CaptureLoop:
    """The camera's thread: a camera that fails is opened anew, after growing pauses."""

    def __init__(  # noqa: PLR0913 - the parts that it brings together
        self,
        *,
        camera: Camera,
        newest: NewestFrame,
        settings: CurrentSettings,
        reports: FailureReports,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
        blocked_seconds: float = _BLOCKED_SECONDS,
    ) -> None:
        """Put the parts together.

        `clock` returns monotonic seconds; `wait` waits for seconds, or less when `stop` is called;
        a camera that gives no answer for `blocked_seconds` is reported.
        """
        self._camera = camera
        self._newest = newest
        self._settings = settings
        self._reports = reports
        self._clock = clock
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._blocked_seconds = blocked_seconds
        self._backoff = Backoff()
        self._watch = PictureWatch(is_live=camera.is_live, clock=clock)
        self._asked_at: float | None = None

    @property
    def picture(self) -> str:
        """What is wrong with the newest picture: `black`, `frozen`; else `ok`."""
        return self._watch.verdict

    def run(self) -> None:
        """Capture until `stop` is called, then close the camera; nothing that fails ends it."""
        try:
            self._run()
        finally:
            # A driver's threads must not outlive the interpreter.
            self._camera.close()

    def _run(self) -> None:
        due = self._clock()
        while not self._stopping.is_set():
            try:
                frame = self._capture()
                # A stream's pictures are all read, and those before the due time left out.
                if self._clock() >= due or not self._camera.is_stream:
                    self._use(frame)
                    # From one due time to the next, so that lateness does not add up. Who is
                    # later than a whole interval goes on at once, and does not catch up.
                    interval_seconds = self._settings.now.frame_interval_seconds
                    due = max(due + interval_seconds, self._clock())
            except Exception as error:  # noqa: BLE001 - a camera that nobody visits goes on
                due = self._clock() + self._backoff.failed()
                self._reports.stopped_by(error, self._backoff.consecutive)
                self._wait_until(due)
            else:
                if failures := self._backoff.succeeded():
                    logger.info("the camera works again after %d failures in a row", failures)
                if not self._camera.is_stream:
                    self._wait_until(due)

    def stop(self) -> None:
        """Make `run` return after the picture at hand."""
        self._stopping.set()

    def look(self) -> None:
        """Report a camera that was asked and does not answer; called by who waits for pictures."""
        asked_at = self._asked_at
        if asked_at is not None and self._clock() - asked_at >= self._blocked_seconds:
            self._reports.stopped_by(
                CameraError(f"the camera has not responded for {self._blocked_seconds:g} s"), 1
            )

    def _capture(self) -> Frame:
        self._asked_at = self._clock()
        try:
            return self._camera.capture()
        finally:
            self._asked_at = None

    def _use(self, frame: Frame) -> None:
        if problem := self._watch.look(frame.image):
            self._reports.slowed_by(problem)
        self._newest.put(frame)

    def _wait_until(self, due: float) -> None:
        if (left_seconds := due - self._clock()) > 0:
            self._wait(left_seconds)
