"""The selection of the engine that runs the model, and the cache of compiled models."""

import importlib.util
import logging
import shutil
from pathlib import Path

from camera.awscam_engine import AWSCAM, AwscamEngine
from camera.model_loader import OpenEngine
from shared.artifact.archive import Artifact
from shared.artifact.errors import EngineError
from shared.vision.engine import DEFAULT_ENGINE, InferenceEngine, open_engine
from shared.vision.engine import ENGINES as VISION_ENGINES
from shared.vision.graph_loader import DEVICES

logger = logging.getLogger(__name__)

ENGINES = (*VISION_ENGINES, AWSCAM)
ENGINE_DEVICES = ("auto", *DEVICES)
_CACHE_FOLDER = "engines"


def default_engine() -> str:
    """Return the engine of a function without the variable DEEPLENS_ENGINE.

    The console of a DeepLens sets no variables. If OpenVINO is not installed there, the engine is
    `awscam`.
    """
    has_default, has_awscam = (
        importlib.util.find_spec(name) is not None for name in (DEFAULT_ENGINE, AWSCAM)
    )
    return AWSCAM if has_awscam and not has_default else DEFAULT_ENGINE


def engine_opener(engine: str, state_directory: Path, device: str = "cpu") -> OpenEngine:
    """Return the function that opens an artifact on an engine.

    Models that OpenVINO has compiled are cached in the state directory by the artifact's digest.
    The cache contains only one model.
    """
    if engine == AWSCAM:
        return lambda artifact: AwscamEngine(artifact, on_gpu=device != "cpu")
    folder = state_directory / _CACHE_FOLDER

    def open_(artifact: Artifact) -> InferenceEngine:
        cache = folder / artifact.digest
        try:
            for other in folder.glob("*"):
                if other != cache:
                    shutil.rmtree(other, ignore_errors=True)
            cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            logger.warning("compiled models cannot be cached: %s", error)
            return open_engine(engine, artifact, device=device)
        try:
            return open_engine(engine, artifact, cache=cache, device=device)
        except EngineError:
            raise
        except Exception:
            # A power failure can truncate the cache. A defective model also fails without the
            # cache.
            logger.exception("the engine cannot open the cached model; retry without the cache")
            shutil.rmtree(cache, ignore_errors=True)
            return open_engine(engine, artifact, device=device)

    return open_
