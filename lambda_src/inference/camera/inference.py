"""Runs the model on the newest frame, and decides what of its answer is said."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from camera.decisions import Decisions, of_interest
from camera.failures import Backoff
from camera.frames import Captured, Frame, NewestFrame
from camera.heartbeat import Heartbeat
from camera.live_settings import CurrentSettings
from camera.messages import ModelIdentity, detection_message
from camera.outbox import Outbox
from camera.reporting import FailureReports
from shared.artifact.baseline import Baseline
from shared.vision.detections import Detection
from shared.vision.engine import InferenceEngine

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class LoadedModel:
    """A model that can run, and why it is not the one that was asked for, if it is not."""

    identity: ModelIdentity
    engine: InferenceEngine
    instead: Exception | None = None
    # What it sees when all is well, if its artifact says so.
    baseline: Baseline | None = None
    # Where its artifact was unpacked.
    directory: Path | None = None
    # In the order of its classes.
    labels: tuple[str, ...] = ()
    # The id of the key that signed it; None if no signature was verified.
    signed_by: str | None = None


class Models(Protocol):
    """Gives the model to run."""

    def load(self) -> LoadedModel:
        """Return it; raise when there is none that may run."""
        ...

    def frame_done(self) -> None:
        """Note that the model did its work on a frame."""
        ...

    def withdraw(self) -> None:
        """Note that the process ends because it was told to, not because of the model."""
        ...


class FrameObserver(Protocol):
    """Sees each frame with all that was found on it, whatever is said of it."""

    def see(self, frame: Frame, found: Sequence[Detection], inference_ms: float) -> None:
        """Look, and return soon: the next frame waits."""
        ...


class InferenceLoop:
    """The engine's thread: frame → inference → decision."""

    def __init__(  # noqa: PLR0913 - the parts that it brings together
        self,
        *,
        thing: str,
        models: Models,
        newest: NewestFrame,
        settings: CurrentSettings,
        outbox: Outbox,
        heartbeat: Heartbeat,
        reports: FailureReports,
        observers: Sequence[FrameObserver] = (),
        on_loaded: Callable[[LoadedModel], None] = lambda _: None,
        on_idle: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Put the parts together.

        `on_loaded` is called with the model that runs from now on, `on_idle` whenever no frame came
        for a second.
        """
        self._thing = thing
        self._models = models
        self._newest = newest
        self._settings = settings
        self._outbox = outbox
        self._heartbeat = heartbeat
        self._reports = reports
        self._observers = observers
        self._on_loaded = on_loaded
        self._on_idle = on_idle
        self._clock = clock
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._backoff = Backoff()
        self._decisions = Decisions(clock)

    def run(self) -> None:
        """Work until `stop` is called; nothing that fails ends it."""
        loaded: LoadedModel | None = None
        while not self._stopping.is_set():
            try:
                if loaded is None:
                    loaded = self._load()
                captured = self._newest.take(_LOOK_SECONDS)
                if captured is None:
                    self._on_idle()
                    continue
                self._work(loaded, captured)
            except Exception as error:  # noqa: BLE001 - a camera that nobody visits goes on
                if loaded is None and self._stopping.is_set():
                    # A library that loads while the process ends may fail; the model did not.
                    logger.info("the load ends with %s: %s", type(error).__name__, error)
                    return
                pause_seconds = self._backoff.failed()
                self._reports.stopped_by(error, self._backoff.consecutive)
                self._wait(pause_seconds)
            else:
                if failures := self._backoff.succeeded():
                    logger.info("works again after %d failures in a row", failures)

    def stop(self) -> None:
        """Make `run` return after the frame at hand."""
        self._stopping.set()
        self._newest.wake()

    def _load(self) -> LoadedModel:
        loaded = self._models.load()
        self._reports.model = loaded.identity
        engine = loaded.engine
        self._heartbeat.loaded(loaded.identity, engine.name, engine.fallback)
        logger.info("runs %s on %s", loaded.identity, loaded.engine.name)
        if loaded.instead:
            self._reports.slowed_by(loaded.instead)
        self._on_loaded(loaded)
        return loaded

    def _work(self, loaded: LoadedModel, captured: Captured) -> None:
        frame = captured.frame
        started = time.perf_counter()
        found = loaded.engine.infer(frame.image)
        inference_ms = (time.perf_counter() - started) * 1000
        settings = self._settings.now
        said = self._decisions.decide(found, settings)
        if said is not None:
            self._outbox.send(
                lambda id_: detection_message(
                    thing=self._thing,
                    message_id=id_,
                    model=loaded.identity,
                    frame=frame,
                    inference_ms=inference_ms,
                    detections=said,
                )
            )
        self._heartbeat.frame_done(
            self._clock() - captured.at_seconds, detections=len(of_interest(found, settings))
        )
        self._models.frame_done()
        for observer in self._observers:
            observer.see(frame, found, inference_ms)
