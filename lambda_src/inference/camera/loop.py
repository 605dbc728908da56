"""Capture, infer, publish; when something fails, say so and go on, with a growing pause."""

import logging
import threading
import time
from collections.abc import Callable

from camera.errors import DeviceError
from camera.failures import Backoff, Repeats
from camera.heartbeat import Heartbeat
from camera.messages import (
    ErrorReport,
    FrameIds,
    ModelIdentity,
    detection_message,
    error_message,
)
from camera.publishing import ResultPublisher
from camera.settings import Settings
from camera.sources import Camera
from vision.engine import InferenceEngine
from vision.errors import VisionError

logger = logging.getLogger(__name__)

LoadModel = Callable[[], tuple[ModelIdentity, InferenceEngine]]


class CameraLoop:
    """One camera, one model, one topic.

    `is_loading` says whether it is inside `load_model`.
    """

    def __init__(  # noqa: PLR0913 - the parts that it brings together
        self,
        *,
        settings: Settings,
        camera: Camera,
        load_model: LoadModel,
        publisher: ResultPublisher,
        heartbeat: Heartbeat,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Put the parts together; `load_model` is called in `run`, and again after it failed.

        `clock` returns monotonic seconds; `wait` waits for seconds, or less when `stop` is called.
        """
        self._settings = settings
        self._camera = camera
        self._load_model = load_model
        self._publisher = publisher
        self._heartbeat = heartbeat
        self._stopping = threading.Event()
        self._clock = clock
        self._wait = wait or self._stopping.wait
        self._ids = FrameIds()
        self._backoff = Backoff()
        self._repeats = Repeats(clock)
        self._loaded: tuple[ModelIdentity, InferenceEngine] | None = None
        self.is_loading = False

    def run(self) -> None:
        """Work until `stop` is called; nothing that fails ends it."""
        due = self._clock()
        while not self._stopping.is_set():
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 - a camera that nobody visits goes on
                due = self._clock() + self._backoff.failed()
                self._report(error)
            else:
                if failures := self._backoff.succeeded():
                    logger.info("works again after %d failures in a row", failures)
                # From one due time to the next, so that lateness does not add up. Who is later
                # than a whole interval goes on at once, and does not hurry to catch up.
                due = max(due + self._settings.frame_interval_seconds, self._clock())
            if (left_seconds := due - self._clock()) > 0:
                self._wait(left_seconds)

    def stop(self) -> None:
        """Make `run` return after the frame at hand."""
        self._stopping.set()

    def _work(self) -> None:
        if self._loaded is None:
            self.is_loading = True
            try:
                self._loaded = self._load_model()
            finally:
                self.is_loading = False
            self._heartbeat.loaded(self._loaded[0])
            logger.info("runs %s", self._loaded[0])
        model, engine = self._loaded
        frame = self._camera.capture()
        frame_id = self._ids.next()
        started = time.perf_counter()
        found = engine.infer(frame.image)
        inference_ms = (time.perf_counter() - started) * 1000
        kept = [one for one in found if one.score >= self._settings.threshold]
        if kept:
            message = detection_message(
                thing=self._settings.thing,
                model=model,
                frame_id=frame_id,
                frame=frame,
                inference_ms=inference_ms,
                detections=kept,
            )
            self._publisher.publish(self._settings.topic, message)
        self._heartbeat.frame_done()

    def _report(self, error: Exception) -> None:
        report = ErrorReport.of(error, self._backoff.consecutive)
        self._heartbeat.failed(report)
        if not self._repeats.is_news(error):
            return
        logger.error(
            "failure %d in a row: %s: %s",
            report.consecutive,
            report.type,
            report.message,
            # An expected failure is said in its message; for any other the place helps.
            exc_info=None if isinstance(error, DeviceError | VisionError) else error,
        )
        model = self._loaded[0] if self._loaded else None
        try:
            self._publisher.publish(
                self._settings.topic, error_message(self._settings.thing, model, report)
            )
        except Exception as unsent:  # noqa: BLE001 - the heartbeat and the log still say it
            logger.warning("the error message was not sent: %s", unsent)
