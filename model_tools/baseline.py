"""What a packaged model sees when all is well, measured on pictures like those of its cameras."""

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from model_tools.artifacts import unpack_artifact
from model_tools.describe import ModelDescription
from model_tools.errors import SourceError
from model_tools.isolation import Limits, isolated
from model_tools.package import package
from model_tools.pictures import read_picture
from shared.artifact.baseline import LEAST_FRAMES, Baseline
from shared.vision.engine import open_engine
from shared.vision.runtimes import TENSORFLOW


def with_baseline(
    description: ModelDescription,
    graph: bytes,
    labels: dict[int, str],
    pictures: tuple[Path, ...],
    limits: Limits | None = None,
) -> ModelDescription:
    """Return the description with what the model sees on pictures, in a limited process.

    TensorFlow runs it, whole: other engines answer alike, and the same input gives the same bytes.

    Args:
        description: of the model.
        graph: a serialised frozen GraphDef.
        labels: names by id, from 1.
        pictures: files, at least `shared.artifact.baseline.LEAST_FRAMES`.
        limits: of the process.

    Raises:
        SourceError: too few pictures, or one cannot be read.
        ModelToolsError, shared.artifact.errors.VisionError: the model does not run.
    """
    if len(pictures) < LEAST_FRAMES:
        raise SourceError(
            f"a baseline of {len(pictures)} pictures is mostly chance; give {LEAST_FRAMES} or more"
        )
    # The whole graph is measured: what was cut from it is of no use here.
    whole = replace(description, cut=None, baseline=None)
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        packaged = package(Path(workspace), whole, graph, labels)
        limits = limits or Limits.for_files(packaged.path, *pictures)
        measured = isolated(_measure, packaged.path, pictures, limits=limits)
    return replace(description, baseline=measured)


def _measure(archive: Path, pictures: Iterable[Path]) -> Baseline:
    with tempfile.TemporaryDirectory(prefix="model-tools-") as folder:
        artifact = unpack_artifact(archive, Path(folder))
        engine = open_engine(TENSORFLOW, artifact)
        read = (read_picture(file) for file in pictures)
        looked_at = ((picture, engine.infer(picture)) for picture in read)
        return Baseline.measured(looked_at, artifact.manifest.threshold)
