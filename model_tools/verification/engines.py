"""Check which engines can load a model."""

from pathlib import Path

from model_tools.errors import IsolationError
from model_tools.isolation import Limits, isolated
from shared.artifact.archive import Artifact
from shared.artifact.errors import ArtifactError, ScoresError
from shared.artifact.manifest import Manifest
from shared.vision.engine import open_engine
from shared.vision.runtimes import OPENVINO


def openvino_refusal(
    folder: Path, manifest: Manifest, labels: dict[int, str], limits: Limits | None = None
) -> str | None:
    """Return why OpenVINO cannot run a model; None if it can.

    It loads the model in a limited process, and runs it on a black image.

    Args:
        folder: with the files that the manifest names, which were checked.
        manifest: of the model.
        labels: names by id, from 1.
        limits: of the process.

    Raises:
        ScoresError: it runs, and its scores contradict the manifest.
    """
    limits = limits or Limits.for_files(folder)
    try:
        return isolated(_refusal, Artifact("", manifest, labels, folder), limits=limits)
    except IsolationError as error:
        return f"OpenVINO does not load the model: {error}"


def _refusal(artifact: Artifact) -> str | None:
    try:
        open_engine(OPENVINO, artifact)
    except ScoresError:
        raise
    except ArtifactError as error:
        return str(error)
    return None
