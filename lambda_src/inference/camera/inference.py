"""The thread that runs the model on the newest frame and sends the detections."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from camera.backoff import Backoff
from camera.dynamic_settings import CurrentSettings
from camera.error_reporter import ErrorReporter
from camera.frames import CapturedFrame, Frame, NewestFrame
from camera.heartbeat import HeartbeatReporter
from camera.messages import detection_message
from camera.outbox import Outbox
from camera.publish_filter import PublishFilter, of_interest
from shared.artifact.drift_baseline import Baseline
from shared.messages.heartbeat import ModelIdentity
from shared.vision.detections import Detection
from shared.vision.engine import InferenceEngine

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class RunnableModel:
    """A loaded model; `fallback_cause` is set if the model is not the deployed one."""

    identity: ModelIdentity
    engine: InferenceEngine
    fallback_cause: Exception | None = None
    # The drift baseline, if the artifact contains it.
    baseline: Baseline | None = None
    # The folder of the unpacked artifact.
    directory: Path | None = None
    # The labels in the order of the class ids.
    labels: tuple[str, ...] = ()
    # The id of the key that signed the model; None if no signature was verified.
    signed_by: str | None = None


class ModelProvider(Protocol):
    """The interface to the models that the loop can run."""

    def load(self) -> RunnableModel:
        """Return the model; raise an error if no model may run."""
        ...

    def frame_done(self) -> None:
        """Count a frame that the model has processed."""
        ...

    def withdraw(self) -> None:
        """Do not count the current start as failed, because a signal ends the process."""
        ...


class FrameObserver(Protocol):
    """The interface of a receiver of frames with all detections, published or not."""

    def observe(self, frame: Frame, detections: Sequence[Detection], inference_ms: float) -> None:
        """Process a frame, and return soon, because the next frame waits."""
        ...


class InferenceLoop:
    """A loop that runs the model on frames, selects detections, and sends messages."""

    def __init__(  # noqa: PLR0913 - keyword-only parts
        self,
        *,
        thing: str,
        models: ModelProvider,
        newest: NewestFrame,
        settings: CurrentSettings,
        outbox: Outbox,
        heartbeat: HeartbeatReporter,
        reporter: ErrorReporter,
        observers: Sequence[FrameObserver] = (),
        on_loaded: Callable[[RunnableModel], None] = lambda _: None,
        on_idle: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Create the loop without starting it.

        `on_loaded` is called with the loaded model, and `on_idle` after each second without a
        frame.
        """
        self._thing = thing
        self._models = models
        self._newest = newest
        self._settings = settings
        self._outbox = outbox
        self._heartbeat = heartbeat
        self._reporter = reporter
        self._observers = observers
        self._on_loaded = on_loaded
        self._on_idle = on_idle
        self._clock = clock
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._backoff = Backoff()
        self._publish_filter = PublishFilter(clock)

    def run(self) -> None:
        """Process frames until `stop` is called; failures do not end the loop."""
        loaded: RunnableModel | None = None
        while not self._stopping.is_set():
            try:
                if loaded is None:
                    loaded = self._load()
                captured = self._newest.take(_POLL_SECONDS)
                if captured is None:
                    self._on_idle()
                    continue
                self._process(loaded, captured)
            except Exception as error:  # noqa: BLE001 - the loop continues after any failure
                if loaded is None and self._stopping.is_set():
                    # A library can fail while the process ends; such an error is not a failure of
                    # the model.
                    logger.info("the load ends with %s: %s", type(error).__name__, error)
                    return
                pause_seconds = self._backoff.failed()
                self._reporter.frame_failed(error, self._backoff.consecutive)
                self._wait(pause_seconds)
            else:
                if failures := self._backoff.succeeded():
                    logger.info("the engine works again after %d consecutive failures", failures)

    def stop(self) -> None:
        """Make `run` return after the current frame."""
        self._stopping.set()
        self._newest.wake()

    def _load(self) -> RunnableModel:
        loaded = self._models.load()
        self._reporter.model = loaded.identity
        engine = loaded.engine
        self._heartbeat.loaded(loaded.identity, engine.name, engine.fallback)
        logger.info("runs %s on %s", loaded.identity, loaded.engine.name)
        if loaded.fallback_cause:
            self._reporter.degraded(loaded.fallback_cause)
        self._on_loaded(loaded)
        return loaded

    def _process(self, loaded: RunnableModel, captured: CapturedFrame) -> None:
        frame = captured.frame
        started = time.perf_counter()
        detections = loaded.engine.infer(frame.image)
        inference_ms = (time.perf_counter() - started) * 1000
        settings = self._settings.current
        published = self._publish_filter.select(detections, settings)
        if published is not None:
            self._outbox.send(
                lambda id_: detection_message(
                    thing=self._thing,
                    message_id=id_,
                    model=loaded.identity,
                    frame=frame,
                    inference_ms=inference_ms,
                    detections=published,
                )
            )
        self._heartbeat.frame_done(
            self._clock() - captured.at_seconds, detections=len(of_interest(detections, settings))
        )
        self._models.frame_done()
        for observer in self._observers:
            observer.observe(frame, detections, inference_ms)
