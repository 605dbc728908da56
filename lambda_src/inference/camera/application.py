"""Every part of the camera's software, put together, started and stopped."""

import atexit
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
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
from camera.sources import camera_from
from camera.spool import Spool
from camera.trust import ReleaseTrust
from vision.engine import DEFAULT_ENGINE

if TYPE_CHECKING:
    from camera.live_view import LiveView

logger = logging.getLogger(__name__)

# The function promises to end within five seconds; the rest is left for the interpreter.
_STOP_SECONDS = 3.5
_LAST_WORDS_SECONDS = 0.5
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
        self._workers: list[Worker] = [
            self.heartbeat,
            self.outbox,
            self._inference,
            self._crops,
            Delivery(parts.spool, parts.publisher, on_failure=self._reports.slowed_by),
        ]
        if parts.subscriber:
            self._workers.append(
                ShadowSettings(
                    thing=settings.thing,
                    subscriber=parts.subscriber,
                    publisher=parts.publisher,
                    desire=self._desire,
                )
            )
        if parts.live_view:
            parts.live_view.settings = self._settings
            self._workers.append(parts.live_view)
        self._threads: dict[Worker, threading.Thread] = {}

    def start(self) -> None:
        """Start every thread; the camera's follows when a model runs."""
        for worker in self._workers:
            self._start(worker)

    def stop(self, seconds: float = _STOP_SECONDS) -> list[str]:
        """Stop everything; return who may still work then.

        What was decided is on disk when this returns, unless the disk does not answer.
        """
        deadline = time.monotonic() + seconds
        # TensorFlow crashes an interpreter that begins to end while TensorFlow loads, even if it
        # is loaded in time: nobody waits for it, and it counts as busy whatever it does.
        was_loading = self._inference.is_loading
        self._capture.stop()
        for worker in self._workers:
            if worker is not self.outbox:
                worker.stop()
        if not was_loading:
            self._join(self._inference, deadline - _LAST_WORDS_SECONDS)
        # Only now has it all that was decided.
        self.outbox.stop()
        waited_for = [worker for worker in self._threads if worker is not self._inference]
        for worker in waited_for:
            self._join(worker, deadline)
        self._parts.models.withdraw()
        busy = [thread.name for thread in self._threads.values() if thread.is_alive()]
        if not busy:
            self._parts.spool.close()
        return busy or ["InferenceLoop"] * was_loading

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

    def _join(self, worker: Worker, deadline: float) -> None:
        if thread := self._threads.get(worker):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _dropped(self, error: Exception) -> None:
        self._reports.dropped_by(error)

    def _desire(self, desired: Any) -> bool:
        refusal = self._settings.desire(desired)
        if refusal:
            self._reports.slowed_by(refusal)
        self.heartbeat.changed()
        return self._settings.refused() is None


def start(environment: Mapping[str, str]) -> bool:
    """Start what the environment says, and stop it at exit; return whether anything runs.

    With a wrong setting no loop starts; the log says why, and on a core device the heartbeat.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        settings = Settings.from_environment(environment)
        camera = camera_from(settings.camera, settings.state_directory, settings.image_limit)
    except SettingsError as error:
        logger.critical("the camera loop does not start: %s", error)
        return _report_only(environment, error)
    application = Application(settings, parts_of(settings, camera))
    application.start()
    atexit.register(_end, application)
    return True


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


def exit_on_sigterm() -> None:
    """Without a handler SIGTERM would end the process before atexit; a runtime's own is kept."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


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


def _end(application: Application) -> None:
    busy = application.stop()
    if busy:
        logger.warning("ends at once, without waiting for %s", " and ".join(busy))
        logging.shutdown()
        os._exit(0)


def _report_only(environment: Mapping[str, str], error: SettingsError) -> bool:
    """On a core device, let the heartbeat say why nothing runs; elsewhere start nothing."""
    try:
        thing = thing_name(environment)
    except SettingsError:
        return False
    if _IPC_SOCKET not in environment:
        return False
    heartbeat = Heartbeat(
        thing=thing,
        function_arn=environment.get("MY_FUNCTION_ARN") or None,
        engine=DEFAULT_ENGINE,
        interval_seconds=_HEARTBEAT_SECONDS_WITHOUT_SETTINGS,
        publisher=GreengrassPublisher(),
    )
    heartbeat.failed(ErrorReport.of(error, consecutive=1))
    thread = threading.Thread(target=heartbeat.run, name="Heartbeat", daemon=True)
    thread.start()

    def end() -> None:
        heartbeat.stop()
        thread.join(_STOP_SECONDS)

    atexit.register(end)
    return True
