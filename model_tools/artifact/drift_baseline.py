"""Drift baselines: statistics of a model's detections on normal images."""

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from model_tools.artifact.archive import package, unpack_artifact
from model_tools.artifact.manifest_writer import ModelDescription
from model_tools.errors import SourceError
from model_tools.images import read_image
from model_tools.sandbox import Limits, isolated
from shared.artifact.drift_baseline import LEAST_FRAMES, Baseline
from shared.vision.engine import open_engine
from shared.vision.graph_loader import TENSORFLOW


def with_baseline(
    description: ModelDescription,
    graph: bytes,
    labels: dict[int, str],
    images: tuple[Path, ...],
    limits: Limits | None = None,
) -> ModelDescription:
    """Measure a baseline on images, in a limited process, and return the description with it.

    TensorFlow runs the complete graph, so that the same input gives the same bytes. Other engines
    give equal detections.

    Args:
        description: the description of the model.
        graph: a serialized frozen GraphDef.
        labels: names by id, from 1.
        images: files, at least `shared.artifact.drift_baseline.LEAST_FRAMES`.
        limits: the limits of the process.

    Raises:
        SourceError: there are too few images, or an image cannot be read.
        ModelToolsError, shared.artifact.errors.ArtifactError: the model does not run.
    """
    if len(images) < LEAST_FRAMES:
        raise SourceError(
            f"{len(images)} images are too few for a baseline: give at least {LEAST_FRAMES}"
        )
    without_split = replace(description, split=None, baseline=None)
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        packaged = package(Path(workspace), without_split, graph, labels)
        limits = limits or Limits.for_files(packaged.path, *images)
        baseline = isolated(_measure, packaged.path, images, limits=limits)
    return replace(description, baseline=baseline)


def _measure(archive: Path, files: Iterable[Path]) -> Baseline:
    with tempfile.TemporaryDirectory(prefix="model-tools-") as folder:
        artifact = unpack_artifact(archive, Path(folder))
        engine = open_engine(TENSORFLOW, artifact)
        images = (read_image(file) for file in files)
        inferred = ((image, engine.infer(image)) for image in images)
        return Baseline.measured(inferred, artifact.manifest.threshold)
