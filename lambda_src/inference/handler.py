"""What Greengrass imports: the loop in a background thread, as a pinned Lambda must.

A pinned function that blocks while it is imported never becomes ready, so nothing here waits,
and the model is loaded in the thread. With a wrong setting the loop does not start; the log and
the heartbeat say why.
"""

import atexit
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping

from camera.errors import SettingsError
from camera.heartbeat import Heartbeat
from camera.loop import CameraLoop
from camera.messages import ErrorReport, ModelIdentity
from camera.publishing import GreengrassPublisher
from camera.settings import Settings, thing_name
from camera.sources import camera_from
from vision.artifact import open_artifact
from vision.engine import DEFAULT_ENGINE, InferenceEngine, open_engine

logger = logging.getLogger(__name__)

# The function promises to end within five seconds; the rest is left for the interpreter.
_STOP_SECONDS = 3.5
_HEARTBEAT_SECONDS_WITHOUT_SETTINGS = 60.0
_IPC_SOCKET = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"


def lambda_handler(_event: object, _context: object) -> None:
    """Do nothing: the loop runs by itself. Greengrass demands a handler."""


def _start(environment: Mapping[str, str]) -> None:
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        settings = Settings.from_environment(environment)
        camera = camera_from(settings)
    except SettingsError as error:
        logger.critical("the camera loop does not start: %s", error)
        _report_only(environment, error)
        return
    publisher = GreengrassPublisher()
    heartbeat = Heartbeat(
        thing=settings.thing,
        function_arn=settings.function_arn,
        engine=settings.engine,
        interval_seconds=settings.heartbeat_interval_seconds,
        publisher=publisher,
    )

    def load_model() -> tuple[ModelIdentity, InferenceEngine]:
        artifact = open_artifact(settings.artifact, settings.model_directory, settings.model_digest)
        manifest = artifact.manifest
        identity = ModelIdentity(manifest.name, manifest.version, artifact.digest)
        return identity, open_engine(settings.engine, artifact)

    loop = CameraLoop(
        settings=settings,
        camera=camera,
        load_model=load_model,
        publisher=publisher,
        heartbeat=heartbeat,
    )

    _run_until_exit(heartbeat, loop)


def _report_only(environment: Mapping[str, str], error: SettingsError) -> None:
    """On a core device, let the heartbeat say why nothing runs; elsewhere start nothing."""
    try:
        thing = thing_name(environment)
    except SettingsError:
        return
    if _IPC_SOCKET not in environment:
        return
    heartbeat = Heartbeat(
        thing=thing,
        function_arn=environment.get("MY_FUNCTION_ARN") or None,
        engine=DEFAULT_ENGINE,
        interval_seconds=_HEARTBEAT_SECONDS_WITHOUT_SETTINGS,
        publisher=GreengrassPublisher(),
    )
    heartbeat.failed(ErrorReport.of(error, consecutive=1))
    _run_until_exit(heartbeat)


def _run_until_exit(heartbeat: Heartbeat, loop: CameraLoop | None = None) -> None:
    """Run each in a thread, and stop both when the process ends."""
    work: list[Heartbeat | CameraLoop] = [heartbeat, loop] if loop else [heartbeat]
    threads = [
        threading.Thread(target=one.run, name=type(one).__name__, daemon=True) for one in work
    ]

    def stop() -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        # TensorFlow crashes an interpreter that begins to end while TensorFlow loads, even if it
        # is loaded in time: such a process says its last word and ends without that clean-up.
        interrupted = loop is not None and loop.is_loading
        for one in work:
            one.stop()
        for thread in threads[:1] if interrupted else threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        busy = [thread.name for thread in threads if thread.is_alive()]
        if busy or interrupted:
            logger.warning("ends at once, without waiting for %s", " and ".join(busy) or "anything")
            logging.shutdown()
            os._exit(0)

    atexit.register(stop)
    _exit_on_sigterm()
    for thread in threads:
        thread.start()


def _exit_on_sigterm() -> None:
    """Without a handler SIGTERM would end the process before atexit; a runtime's own is kept."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


_start(os.environ)
