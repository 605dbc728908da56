"""Capture, infer, publish; when something fails, say so and go on, with a growing pause."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from camera.heartbeat import Heartbeat
from camera.messages import (
    FrameIds,
    ModelIdentity,
    detection_message,
    error_message,
    timestamp,
)
from camera.publishing import ResultPublisher
from camera.settings import Settings
from camera.sources import Camera
from vision.engine import InferenceEngine

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0

Load = Callable[[], tuple[ModelIdentity, InferenceEngine]]


class CameraLoop:
    """One camera, one model, one topic."""

    def __init__(
        self, settings: Settings, camera: Camera, load: Load, publisher: ResultPublisher
    ) -> None:
        """Put the parts together; `load` is called in `run`, and again after it failed."""
        self._settings = settings
        self._camera = camera
        self._load = load
        self._publisher = publisher
        self._heartbeat = Heartbeat(settings, publisher.publish)
        self._ids = FrameIds()
        self._stop = threading.Event()
        self._model: ModelIdentity | None = None
        self._engine: InferenceEngine | None = None
        self._failures = 0

    def run(self) -> None:
        """Work until `stop` is called; nothing that fails ends it."""
        due = time.monotonic()
        self._say_alive()
        while not self._stop.is_set():
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 - a camera that nobody visits goes on
                self._report(error)
                pause = min(
                    _FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), _LONGEST_PAUSE_SECONDS
                )
                due = time.monotonic() + pause
            else:
                self._failures = 0
                due = max(due + self._settings.frame_interval_seconds, time.monotonic())
            self._wait_until(due)
        self._heartbeat.stopped()
        self._say_alive()

    def stop(self) -> None:
        """Make `run` return after the frame at hand."""
        self._stop.set()

    def _step(self) -> None:
        if self._engine is None:
            self._model, self._engine = self._load()
            self._heartbeat.runs(self._model, self._engine.name)
            logger.info("running model %s", self._model)
        frame = self._camera.capture()
        started = time.perf_counter()
        found = self._engine.infer(frame.picture)
        inference_ms = (time.perf_counter() - started) * 1000
        kept = [one for one in found if one.score >= self._settings.threshold]
        if kept and self._model:
            message = detection_message(
                thing=self._settings.thing,
                model=self._model,
                frame_id=self._ids.next(),
                frame=frame,
                inference_ms=inference_ms,
                detections=kept,
            )
            self._publisher.publish(self._settings.topic, message)
        self._heartbeat.saw_frame()
        self._heartbeat.beat()

    def _report(self, error: Exception) -> None:
        """Publish a failure: the first in a row, then at every doubling of their number."""
        self._failures += 1
        logger.error("failure %d in a row: %s: %s", self._failures, type(error).__name__, error)
        described: dict[str, Any] = {
            "type": type(error).__name__,
            "message": str(error),
            "at": timestamp(),
            "consecutive": self._failures,
        }
        self._heartbeat.saw_error(described)
        if self._failures & (self._failures - 1) == 0:
            message = error_message(self._settings.thing, self._model, described)
            self._attempt(lambda: self._publisher.publish(self._settings.topic, message))
        self._say_alive()

    def _say_alive(self) -> None:
        self._attempt(self._heartbeat.beat)

    def _attempt(self, send: Callable[[], None]) -> None:
        """Send what must not stop the loop when it cannot be sent."""
        try:
            send()
        except Exception as error:  # noqa: BLE001 - the broker may be away for days
            logger.warning("not sent: %s: %s", type(error).__name__, error)

    def _wait_until(self, due: float) -> None:
        """Wait, with a heartbeat where a long pause would outlast its interval."""
        while (left := due - time.monotonic()) > 0:
            if self._stop.wait(min(left, self._settings.heartbeat_interval_seconds)):
                return
            if due - time.monotonic() > 0:
                self._say_alive()
