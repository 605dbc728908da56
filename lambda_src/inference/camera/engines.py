"""Engines with a memory: what OpenVINO compiled for a model is kept for the next start."""

import logging
import shutil
from pathlib import Path

from camera.deeplens_model import DeepLensEngine
from camera.engine_choice import AWSCAM
from camera.models import OpenEngine
from shared.artifact.archive import Artifact
from shared.artifact.errors import EngineError
from shared.vision.engine import InferenceEngine, open_engine

logger = logging.getLogger(__name__)

_FOLDER = "engines"


def engine_opener(engine: str, state_directory: Path, device: str = "cpu") -> OpenEngine:
    """Return what opens artifacts on an engine; compiled models are named by artifact digest."""
    if engine == AWSCAM:
        return lambda artifact: DeepLensEngine(artifact, on_gpu=device != "cpu")
    folder = state_directory / _FOLDER

    def open_(artifact: Artifact) -> InferenceEngine:
        cache = folder / artifact.digest
        try:
            for other in folder.glob("*"):
                if other != cache:
                    shutil.rmtree(other, ignore_errors=True)
            cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            logger.warning("compiled models cannot be kept: %s", error)
            return open_engine(engine, artifact, device=device)
        try:
            return open_engine(engine, artifact, cache=cache, device=device)
        except EngineError:
            raise
        except Exception:
            # A power cut may leave half of one. A model that is bad itself fails again.
            logger.exception(
                "the engine does not open with what was compiled before; again without"
            )
            shutil.rmtree(cache, ignore_errors=True)
            return open_engine(engine, artifact, device=device)

    return open_
