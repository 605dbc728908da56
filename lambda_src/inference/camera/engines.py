"""Engines with a memory: what OpenVINO compiled for a model is kept for the next start."""

import logging
import shutil
from pathlib import Path

from camera.models import OpenEngine
from vision.artifact import Artifact
from vision.engine import InferenceEngine, open_engine

logger = logging.getLogger(__name__)

_FOLDER = "engines"


def engine_opener(engine: str, state_directory: Path) -> OpenEngine:
    """Return what opens artifacts on an engine; compiled models are named by artifact digest."""
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
            return open_engine(engine, artifact)
        try:
            return open_engine(engine, artifact, cache=cache)
        except Exception:
            # A power cut may leave half of one. A model that is bad itself fails again.
            logger.exception(
                "the engine does not open with what was compiled before; again without"
            )
            shutil.rmtree(cache, ignore_errors=True)
            return open_engine(engine, artifact)

    return open_
