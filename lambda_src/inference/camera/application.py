"""The camera's software: composition of its parts, start and stop of its threads."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from camera.cameras import camera_from
from camera.capture import CaptureLoop
from camera.crops import CropWriter
from camera.drift import DriftMonitor
from camera.dynamic_settings import CurrentSettings, ShadowListener
from camera.engine_selection import engine_opener
from camera.error_reporter import ErrorReporter
from camera.errors import SettingsError, SpoolError
from camera.frames import Camera, NewestFrame
from camera.greengrass import (
    GreengrassPublisher,
    GreengrassSdkPublisher,
    GreengrassSubscriber,
    ResultPublisher,
    Subscriber,
)
from camera.heartbeat import HeartbeatReporter
from camera.inference import InferenceLoop, ModelProvider, RunnableModel
from camera.log_format import PrintableFormatter
from camera.messages import error_report
from camera.metrics import disk_space, memory_space, temperature_celsius
from camera.model_loader import ModelLoader
from camera.outbox import Outbox
from camera.sender import SpoolSender
from camera.settings import Settings, thing_name
from camera.shutdown import Loop
from camera.signature_check import SignatureVerifier
from camera.spool import Spool
from shared.messages.heartbeat import DroppedCounts
from shared.vision.engine import DEFAULT_ENGINE

if TYPE_CHECKING:
    from camera.live_view import LiveView

logger = logging.getLogger(__name__)

# The classic nucleus kills a process that does not end within five seconds. The interpreter
# requires the remaining time. Source: aws-greengrass-nucleus, Exec.java, `gracefulShutdownTimeout`.
_STOP_SECONDS = 3.5
# Shares of `_STOP_SECONDS`: after the engine has ended, for messages in memory, then for the last
# heartbeat.
_OUTBOX_SECONDS = 0.5
_HEARTBEAT_SECONDS = 1.0
_SPOOL_SECONDS = 0.5
_HEARTBEAT_SECONDS_WITHOUT_SETTINGS = 60.0
_IPC_SOCKET = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"


class WorkerThread(Protocol):
    """A worker that runs in a separate thread."""

    def run(self) -> None:
        """Run until `stop` is called."""
        ...

    def stop(self) -> None:
        """Make `run` return soon, without waiting for it."""
        ...


@dataclass(frozen=True)
class Parts:
    """The parts of an application that differ between devices and tests."""

    camera: Camera
    models: ModelProvider
    publisher: ResultPublisher
    # None if settings do not change after the start.
    subscriber: Subscriber | None
    spool: Spool
    # None if the live view is disabled.
    live_view: "LiveView | None" = None


class Application:
    """The camera's loop with all its threads; `start` returns immediately."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._parts = parts
        self._newest = NewestFrame()
        self._settings = CurrentSettings(settings.dynamic)
        self._drift = DriftMonitor(self._settings)
        self._crops = CropWriter(settings.state_directory, self._settings)
        self.outbox = Outbox(
            parts.spool, thing=settings.thing, topic=settings.topic, on_dropped=self._dropped
        )
        self.heartbeat = HeartbeatReporter(
            thing=settings.thing,
            function_arn=settings.function_arn,
            engine=settings.engine,
            interval_seconds=settings.heartbeat_interval_seconds,
            publisher=parts.publisher,
            sections={
                "picture": lambda: self._capture.frame_status,
                "dropped": lambda: DroppedCounts(
                    frames=self._newest.dropped, messages=self.outbox.dropped
                ),
                "spool": parts.spool.state,
                "disk": lambda: disk_space(settings.artifact),
                "memory": memory_space,
                "temperature_celsius": temperature_celsius,
                "drift": self._drift.reported,
                "crops": self._crops.reported,
                "settings": self._settings.reported,
                "settings_refused": self._settings.rejection,
            },
        )
        self._drift.on_changed = self.heartbeat.changed
        self._reporter = ErrorReporter(
            thing=settings.thing, heartbeat=self.heartbeat, outbox=self.outbox
        )
        self._crops.on_failure = self._reporter.degraded
        self._capture = CaptureLoop(
            camera=parts.camera,
            newest=self._newest,
            settings=self._settings,
            reporter=self._reporter,
        )
        self._inference = InferenceLoop(
            thing=settings.thing,
            models=parts.models,
            newest=self._newest,
            settings=self._settings,
            outbox=self.outbox,
            heartbeat=self.heartbeat,
            reporter=self._reporter,
            observers=[self._drift, self._crops, *([parts.live_view] if parts.live_view else [])],
            on_loaded=self._loaded,
            on_idle=self._capture.report_blocked,
        )
        self._sender = SpoolSender(parts.spool, parts.publisher, on_failure=self._reporter.degraded)
        # Workers that can create messages stop before the outbox.
        self._producers: list[WorkerThread] = [self._inference, self._crops]
        if parts.subscriber:
            self._producers.append(
                ShadowListener(
                    thing=settings.thing,
                    subscriber=parts.subscriber,
                    publisher=parts.publisher,
                    apply_desired=self._apply_desired,
                )
            )
        if parts.live_view:
            parts.live_view.settings = self._settings
            self._producers.append(parts.live_view)
        self._threads: dict[WorkerThread, threading.Thread] = {}

    def start(self) -> None:
        """Start the threads; the capture thread starts after a model is loaded."""
        self._start(self.heartbeat)
        self._start(self.outbox)
        for worker in self._producers:
            self._start(worker)
        self._start(self._sender)

    def stop(self, seconds: float = _STOP_SECONDS) -> list[str]:
        """Stop and close all parts in the order in which messages pass.

        Errors are logged, not raised. If the disk responds, every message is on disk when this
        method returns.

        Args:
            seconds: the limit of all waits together.

        Returns:
            The names of threads that still run.
        """
        deadline = time.monotonic() + seconds
        flushed_at = deadline - _HEARTBEAT_SECONDS
        self._stop([self._capture, *self._producers], until=flushed_at - _OUTBOX_SECONDS)
        self._stop([self.outbox], until=flushed_at)
        self._stop([self._sender, self.heartbeat], until=deadline)
        for close in (self._parts.models.withdraw, self._parts.publisher.close, self._close_spool):
            _log_failure_of(close)
        return [thread.name for thread in self._threads.values() if thread.is_alive()]

    def _stop(self, workers: Sequence[WorkerThread], until: float) -> None:
        for worker in workers:
            _log_failure_of(worker.stop)
        for worker in workers:
            thread = self._threads.get(worker)
            # A signal can interrupt `start`, and a thread that was not started cannot be joined.
            if thread and thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    def _close_spool(self) -> None:
        if not self._parts.spool.close(_SPOOL_SECONDS):
            logger.error("the spool is not closed: the disk has not responded")

    def _loaded(self, model: RunnableModel) -> None:
        self._drift.set_baseline(model.baseline)
        if self._parts.live_view:
            self._parts.live_view.use(model)
        self._start(self._capture)

    def _start(self, worker: WorkerThread) -> None:
        if worker in self._threads:
            return
        thread = threading.Thread(target=worker.run, name=type(worker).__name__, daemon=True)
        self._threads[worker] = thread
        thread.start()

    def _dropped(self, error: Exception) -> None:
        self._reporter.dropped(error)

    def _apply_desired(self, desired: Any) -> bool:
        rejection = self._settings.apply_desired(desired)
        if rejection:
            self._reporter.degraded(rejection)
        self.heartbeat.changed()
        return self._settings.rejection() is None


class FailureHeartbeat:
    """Heartbeats that report the reason why the loop does not run."""

    def __init__(self, heartbeat: HeartbeatReporter, publisher: ResultPublisher) -> None:
        self._heartbeat = heartbeat
        self._publisher = publisher
        self._thread = threading.Thread(target=heartbeat.run, name="Heartbeat", daemon=True)

    def start(self) -> None:
        """Start to send heartbeats in a thread."""
        self._thread.start()

    def stop(self) -> list[str]:
        """Send the last heartbeat; return the thread's name if it still runs."""
        self._heartbeat.stop()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._publisher.close()
        return [self._thread.name] if self._thread.is_alive() else []


def loop_from(environment: Mapping[str, str]) -> Loop | None:
    """Return the loop that the environment describes, not started.

    If a setting is invalid, the reason is logged. On a core device, the loop then only reports the
    error by heartbeats; elsewhere, the result is None.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        settings = Settings.from_environment(environment)
        camera = camera_from(settings.camera, settings.state_directory, settings.image_limit)
    except SettingsError as error:
        logger.critical("the camera loop does not start: %s", error)
        return _failure_heartbeat(environment, error)
    return Application(settings, parts_of(settings, camera))


def parts_of(settings: Settings, camera: Camera) -> Parts:
    """Create the parts that the settings describe."""
    has_sdk = settings.publisher == "greengrasssdk"
    return Parts(
        camera=camera,
        models=ModelLoader(
            archive=settings.artifact,
            directory=settings.model_directory,
            digest=settings.model_digest,
            state_directory=settings.state_directory,
            open_engine=engine_opener(
                settings.engine, settings.state_directory, settings.engine_device
            ),
            verifier=SignatureVerifier(settings.signatures, settings.state_directory)
            if settings.signatures
            else None,
        ),
        publisher=GreengrassSdkPublisher() if has_sdk else GreengrassPublisher(),
        subscriber=None if has_sdk else GreengrassSubscriber(),
        spool=open_spool(settings.state_directory),
        live_view=open_live_view(settings),
    )


def open_spool(directory: Path) -> Spool:
    """Open the spool on disk, or in memory if the disk is not usable."""
    try:
        return Spool(directory)
    except SpoolError as error:
        logger.critical(
            "%s; messages are stored in memory only and are lost when the process ends", error
        )
        return Spool.in_memory()


def open_live_view(settings: Settings) -> "LiveView | None":
    """Open the live view if the settings have a port; log an error if the port is in use."""
    if settings.live_view_port is None:
        return None
    # The web server is imported only if the live view is enabled, to save memory.
    from camera.live_view import LiveView  # noqa: PLC0415 - see above

    try:
        return LiveView(
            port=settings.live_view_port,
            thing=settings.thing,
            threshold=settings.dynamic.threshold,
            state_directory=settings.state_directory,
        )
    except OSError as error:
        logger.error("the live view cannot use port %d: %s", settings.live_view_port, error)  # noqa: TRY400 - the message contains the error
        return None


def _log_failure_of(step: Callable[[], None]) -> None:
    """Run one step of the shutdown; log its failure, so that the next steps run."""
    try:
        step()
    except Exception:
        logger.exception("a step of the shutdown failed")


def _failure_heartbeat(
    environment: Mapping[str, str], error: SettingsError
) -> FailureHeartbeat | None:
    """Return heartbeats that report the error on a core device; None elsewhere."""
    try:
        thing = thing_name(environment)
    except SettingsError:
        return None
    if _IPC_SOCKET not in environment:
        return None
    publisher = GreengrassPublisher()
    heartbeat = HeartbeatReporter(
        thing=thing,
        function_arn=environment.get("MY_FUNCTION_ARN") or None,
        engine=DEFAULT_ENGINE,
        interval_seconds=_HEARTBEAT_SECONDS_WITHOUT_SETTINGS,
        publisher=publisher,
    )
    heartbeat.failed(error_report(error, consecutive=1))
    return FailureHeartbeat(heartbeat, publisher)
