"""The thread that captures frames at the configured rate and stores the newest frame."""

import logging
import threading
import time
from collections.abc import Callable

from camera.backoff import Backoff
from camera.dynamic_settings import CurrentSettings
from camera.error_reporter import ErrorReporter
from camera.errors import CameraError
from camera.frame_checks import FrameChecker
from camera.frames import Camera, Frame, NewestFrame

logger = logging.getLogger(__name__)

_BLOCKED_SECONDS = 10.0


class CaptureLoop:
    """A loop that captures frames, and reopens a failed camera after an increasing pause."""

    def __init__(  # noqa: PLR0913 - keyword-only parts
        self,
        *,
        camera: Camera,
        newest: NewestFrame,
        settings: CurrentSettings,
        reporter: ErrorReporter,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
        blocked_seconds: float = _BLOCKED_SECONDS,
    ) -> None:
        """Create the loop without starting it.

        Args:
            camera: the source of frames.
            newest: the buffer that receives frames.
            settings: contains the interval between frames.
            reporter: receives failures.
            clock: returns monotonic seconds.
            wait: waits for seconds, or less if `stop` is called.
            blocked_seconds: time after which a camera without a response is reported.
        """
        self._camera = camera
        self._newest = newest
        self._settings = settings
        self._reporter = reporter
        self._clock = clock
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._blocked_seconds = blocked_seconds
        self._backoff = Backoff()
        self._checker = FrameChecker(is_live=camera.is_live, clock=clock)
        self._requested_at: float | None = None

    @property
    def frame_status(self) -> str:
        """The status of the newest frame: `black`, `frozen` or `ok`."""
        return self._checker.status

    def run(self) -> None:
        """Capture until `stop` is called, then close the camera; failures do not end the loop."""
        try:
            self._run()
        finally:
            # Threads of a driver must end before the interpreter shuts down.
            self._camera.close()

    def _run(self) -> None:
        due = self._clock()
        while not self._stopping.is_set():
            try:
                frame = self._capture()
                # Every frame of a stream is read, but frames before the due time are skipped.
                if self._clock() >= due or not self._camera.is_stream:
                    self._use(frame)
                    # Due times have a fixed interval, so that delays do not accumulate. After a
                    # delay longer than the interval, missed frames are skipped.
                    interval_seconds = self._settings.current.frame_interval_seconds
                    due = max(due + interval_seconds, self._clock())
            except Exception as error:  # noqa: BLE001 - the loop continues after any failure
                due = self._clock() + self._backoff.failed()
                self._reporter.frame_failed(error, self._backoff.consecutive)
                self._wait_until(due)
            else:
                if failures := self._backoff.succeeded():
                    logger.info("the camera works again after %d consecutive failures", failures)
                if not self._camera.is_stream:
                    self._wait_until(due)

    def stop(self) -> None:
        """Make `run` return after the current frame."""
        self._stopping.set()

    def report_blocked(self) -> None:
        """Report a camera that does not respond; the thread that waits for frames calls this."""
        requested_at = self._requested_at
        if requested_at is not None and self._clock() - requested_at >= self._blocked_seconds:
            self._reporter.frame_failed(
                CameraError(f"the camera has not responded for {self._blocked_seconds:g} s"), 1
            )

    def _capture(self) -> Frame:
        self._requested_at = self._clock()
        try:
            return self._camera.capture()
        finally:
            self._requested_at = None

    def _use(self, frame: Frame) -> None:
        if problem := self._checker.check(frame.image):
            self._reporter.degraded(problem)
        self._newest.put(frame)

    def _wait_until(self, due: float) -> None:
        if (left_seconds := due - self._clock()) > 0:
            self._wait(left_seconds)
