"""What Greengrass imports: the loop in a background thread, as a pinned Lambda must.

A pinned function that blocks while it is imported never becomes ready, so nothing here waits:
the model is loaded in the thread.
"""

import atexit
import logging
import os
import sys
import threading
from typing import Any

from camera.errors import SettingsError
from camera.loop import CameraLoop
from camera.messages import ModelIdentity
from camera.publishing import GreengrassPublisher
from camera.settings import Settings
from camera.sources import camera_from
from vision.artifact import open_artifact
from vision.engine import InferenceEngine, TensorFlowEngine

logging.basicConfig(
    stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
)
logger = logging.getLogger(__name__)

_STOP_SECONDS = 4.0


def lambda_handler(_event: object, _context: object) -> None:
    """Do nothing: the loop runs by itself. Greengrass demands a handler."""


def _start() -> None:
    try:
        settings = Settings.from_environment(os.environ)
        camera = camera_from(settings.camera)
    except SettingsError as error:
        logger.critical("the camera loop does not start: %s", error)
        return

    def load() -> tuple[ModelIdentity, InferenceEngine]:
        artifact = open_artifact(settings.artifact, settings.model_directory, settings.model_digest)
        manifest = artifact.manifest
        identity = ModelIdentity(manifest.name, manifest.version, artifact.digest)
        return identity, TensorFlowEngine(artifact)

    loop = CameraLoop(settings, camera, load, GreengrassPublisher())
    thread = threading.Thread(target=loop.run, name="camera-loop", daemon=True)

    def stop(*_: Any) -> None:
        loop.stop()
        thread.join(_STOP_SECONDS)

    atexit.register(stop)
    thread.start()


_start()
