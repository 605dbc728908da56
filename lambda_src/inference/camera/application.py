"""Every part of the camera's software, put together, started and stopped."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from camera.capture import CaptureLoop
from camera.crops import Crops
from camera.delivery import Delivery
from camera.drift import DriftWatch
from camera.engines import engine_opener
from camera.errors import SettingsError, SpoolError
from camera.frames import Camera, NewestFrame
from camera.greengrass_sdk import GreengrassSdkPublisher
from camera.heartbeat import Heartbeat
from camera.inference import InferenceLoop, LoadedModel, Models
from camera.live_settings import CurrentSettings
from camera.log_format import PrintableFormatter
from camera.measures import temperature_celsius
from camera.messages import ErrorReport
from camera.models import DeployedModel
from camera.outbox import Outbox
from camera.publishing import GreengrassPublisher, GreengrassSubscriber, ResultPublisher, Subscriber
from camera.reporting import FailureReports
from camera.room import disk, memory
from camera.settings import Settings, thing_name
from camera.shadow import ShadowSettings
from camera.shutdown import Loop
from camera.sources import camera_from
from camera.spool import Spool
from camera.trust import ReleaseTrust
from shared.vision.engine import DEFAULT_ENGINE

if TYPE_CHECKING:
    from camera.live_view import LiveView

logger = logging.getLogger(__name__)

# The classic nucleus kills a process that does not end within five seconds; the interpreter needs
# the rest. Source: aws-greengrass-nucleus, Exec.java, `gracefulShutdownTimeout`.
_STOP_SECONDS = 3.5
# Of these, what remains for the messages in memory once the engine was waited for, and then for
# the last heartbeat.
_OUTBOX_SECONDS = 0.5
_HEARTBEAT_SECONDS = 1.0
_SPOOL_SECONDS = 0.5
_HEARTBEAT_SECONDS_WITHOUT_SETTINGS = 60.0
_IPC_SOCKET = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"


class Worker(Protocol):
    """Works in a thread of its own."""

    def run(self) -> None:
        """Work until `stop`."""
        ...

    def stop(self) -> None:
        """Make `run` return soon."""
        ...


@dataclass(frozen=True)
class Parts:
    """What an application is made of, where it is not made by the settings."""

    camera: Camera
    models: Models
    publisher: ResultPublisher
    # None: settings are those of the recipe.
    subscriber: Subscriber | None
    spool: Spool
    # None: nobody can watch.
    live_view: "LiveView | None" = None


class Application:
    """The loop with all its threads; `start` returns at once."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._parts = parts
        self._newest = NewestFrame()
        self._settings = CurrentSettings(settings.live)
        self._drift = DriftWatch(self._settings)
        self._crops = Crops(settings.state_directory, self._settings)
        self.outbox = Outbox(
            parts.spool, thing=settings.thing, topic=settings.topic, on_dropped=self._dropped
        )
        self.heartbeat = Heartbeat(
            thing=settings.thing,
            function_arn=settings.function_arn,
            engine=settings.engine,
            interval_seconds=settings.heartbeat_interval_seconds,
            publisher=parts.publisher,
            sections={
                "picture": lambda: self._capture.picture,
                "dropped": lambda: {
                    "frames": self._newest.dropped,
                    "messages": self.outbox.dropped,
                },
                "spool": lambda: asdict(parts.spool.state()),
                "disk": lambda: disk(settings.artifact),
                "memory": memory,
                "temperature_celsius": temperature_celsius,
                "drift": self._drift.reported,
                "crops": self._crops.reported,
                "settings": self._settings.reported,
                "settings_refused": self._settings.refused,
            },
        )
        self._drift.on_changed = self.heartbeat.changed
        self._reports = FailureReports(
            thing=settings.thing, heartbeat=self.heartbeat, outbox=self.outbox
        )
        self._crops.on_failure = self._reports.slowed_by
        self._capture = CaptureLoop(
            camera=parts.camera,
            newest=self._newest,
            settings=self._settings,
            reports=self._reports,
        )
        self._inference = InferenceLoop(
            thing=settings.thing,
            models=parts.models,
            newest=self._newest,
            settings=self._settings,
            outbox=self.outbox,
            heartbeat=self.heartbeat,
            reports=self._reports,
            observers=[self._drift, self._crops, *([parts.live_view] if parts.live_view else [])],
            on_loaded=self._loaded,
            on_idle=self._capture.look,
        )
        self._delivery = Delivery(parts.spool, parts.publisher, on_failure=self._reports.slowed_by)
        # They may still create a message.
        self._deciding: list[Worker] = [self._inference, self._crops]
        if parts.subscriber:
            self._deciding.append(
                ShadowSettings(
                    thing=settings.thing,
                    subscriber=parts.subscriber,
                    publisher=parts.publisher,
                    desire=self._desire,
                )
            )
        if parts.live_view:
            parts.live_view.settings = self._settings
            self._deciding.append(parts.live_view)
        self._threads: dict[Worker, threading.Thread] = {}

    def start(self) -> None:
        """Start every thread; the camera's follows when a model runs."""
        self._start(self.heartbeat)
        self._start(self.outbox)
        for worker in self._deciding:
            self._start(worker)
        self._start(self._delivery)

    def stop(self, seconds: float = _STOP_SECONDS) -> list[str]:
        """Stop and close everything, in the order in which a message passes; never fails.

        Every decided message is on disk when this returns, unless the disk does not respond.

        Args:
            seconds: the limit of all waits together.

        Returns:
            the names of threads that are still at work.
        """
        deadline = time.monotonic() + seconds
        flushed_at = deadline - _HEARTBEAT_SECONDS
        self._stop([self._capture, *self._deciding], until=flushed_at - _OUTBOX_SECONDS)
        self._stop([self.outbox], until=flushed_at)
        self._stop([self._delivery, self.heartbeat], until=deadline)
        for close in (self._parts.models.withdraw, self._parts.publisher.close, self._close_spool):
            _log_failure_of(close)
        return [thread.name for thread in self._threads.values() if thread.is_alive()]

    def _stop(self, workers: Sequence[Worker], until: float) -> None:
        for worker in workers:
            _log_failure_of(worker.stop)
        for worker in workers:
            thread = self._threads.get(worker)
            # One that a signal kept from starting cannot be joined.
            if thread and thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    def _close_spool(self) -> None:
        if not self._parts.spool.close(_SPOOL_SECONDS):
            logger.error("the spool is not closed: the disk has not responded")

    def _loaded(self, model: LoadedModel) -> None:
        self._drift.compare_with(model.baseline)
        if self._parts.live_view:
            self._parts.live_view.use(model)
        self._start(self._capture)

    def _start(self, worker: Worker) -> None:
        if worker in self._threads:
            return
        thread = threading.Thread(target=worker.run, name=type(worker).__name__, daemon=True)
        self._threads[worker] = thread
        thread.start()

    def _dropped(self, error: Exception) -> None:
        self._reports.dropped_by(error)

    def _desire(self, desired: Any) -> bool:
        refusal = self._settings.desire(desired)
        if refusal:
            self._reports.slowed_by(refusal)
        self.heartbeat.changed()
        return self._settings.refused() is None


class FailureOnly:
    """Heartbeats with the reason why the loop does not run."""

    def __init__(self, heartbeat: Heartbeat, publisher: ResultPublisher) -> None:
        self._heartbeat = heartbeat
        self._publisher = publisher
        self._thread = threading.Thread(target=heartbeat.run, name="Heartbeat", daemon=True)

    def start(self) -> None:
        """Start the heartbeat's thread."""
        self._thread.start()

    def stop(self) -> list[str]:
        """Send the last heartbeat; return the thread's name if it is still at work."""
        self._heartbeat.stop()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._publisher.close()
        return [self._thread.name] if self._thread.is_alive() else []


def loop_from(environment: Mapping[str, str]) -> Loop | None:
    """Return the loop that the environment describes, not started.

    If a setting is wrong, the log contains the reason. On a core device the loop then only reports
    it by heartbeats; elsewhere the result is None.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        settings = Settings.from_environment(environment)
        camera = camera_from(settings.camera, settings.state_directory, settings.image_limit)
    except SettingsError as error:
        logger.critical("the camera loop does not start: %s", error)
        return _failure_only(environment, error)
    return Application(settings, parts_of(settings, camera))


def parts_of(settings: Settings, camera: Camera) -> Parts:
    """Return the parts that the settings name."""
    by_router = settings.publisher == "greengrasssdk"
    return Parts(
        camera=camera,
        models=DeployedModel(
            archive=settings.artifact,
            directory=settings.model_directory,
            digest=settings.model_digest,
            state_directory=settings.state_directory,
            open_engine=engine_opener(
                settings.engine, settings.state_directory, settings.engine_device
            ),
            trust=ReleaseTrust(settings.trust, settings.state_directory)
            if settings.trust
            else None,
        ),
        publisher=GreengrassSdkPublisher() if by_router else GreengrassPublisher(),
        subscriber=None if by_router else GreengrassSubscriber(),
        spool=open_spool(settings.state_directory),
        live_view=open_live_view(settings),
    )


def open_spool(directory: Path) -> Spool:
    """Open the spool on disk; without a disk the loop goes on with one in memory."""
    try:
        return Spool(directory)
    except SpoolError as error:
        logger.critical("%s; messages are kept in memory only, and lost with the process", error)
        return Spool.in_memory()


def open_live_view(settings: Settings) -> "LiveView | None":
    """Open the page that the settings ask for; a port that is taken does not stop a camera."""
    if settings.live_view_port is None:
        return None
    # Only who watches needs a web server.
    from camera.live_view import LiveView  # noqa: PLC0415 - see above

    try:
        return LiveView(
            port=settings.live_view_port,
            thing=settings.thing,
            threshold=settings.live.threshold,
            state_directory=settings.state_directory,
        )
    except OSError as error:
        logger.error("no live view on port %d: %s", settings.live_view_port, error)  # noqa: TRY400 - said in words
        return None


def _log_failure_of(step: Callable[[], None]) -> None:
    """Run one step of the shutdown; a failure must not prevent the next steps."""
    try:
        step()
    except Exception:
        logger.exception("a step of the shutdown failed")


def _failure_only(environment: Mapping[str, str], error: SettingsError) -> FailureOnly | None:
    """Return heartbeats that report the error on a core device; None elsewhere."""
    try:
        thing = thing_name(environment)
    except SettingsError:
        return None
    if _IPC_SOCKET not in environment:
        return None
    publisher = GreengrassPublisher()
    heartbeat = Heartbeat(
        thing=thing,
        function_arn=environment.get("MY_FUNCTION_ARN") or None,
        engine=DEFAULT_ENGINE,
        interval_seconds=_HEARTBEAT_SECONDS_WITHOUT_SETTINGS,
        publisher=publisher,
    )
    heartbeat.failed(ErrorReport.of(error, consecutive=1))
    return FailureOnly(heartbeat, publisher)
