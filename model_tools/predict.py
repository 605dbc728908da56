"""Run an artifact on images and return the detections."""

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model_tools.artifact.archive import unpack_artifact
from model_tools.images import read_image
from model_tools.sandbox import Limits, isolated
from shared.vision.detections import Detection


@dataclass(frozen=True)
class Prediction:
    """The detections on one image, best first."""

    image: Path
    detections: list[Detection]
    # The duration of preprocessing and inference.
    milliseconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the prediction as plain data; a classifier's detection has a null box."""
        return {
            "picture": self.image.name,
            "milliseconds": round(self.milliseconds, 2),
            "detections": [asdict(detection) for detection in self.detections],
        }


def predict(  # noqa: PLR0913 - options of the caller
    artifact: Path,
    images: list[Path],
    *,
    engine: str = "openvino",
    precision: str = "f32",
    threshold: float | None = None,
    limits: Limits | None = None,
) -> list[Prediction]:
    """Run an artifact on images, in a limited process.

    Args:
        artifact: a model.zip.
        images: image files.
        engine: openvino or tensorflow.
        precision: f32, or bf16 on OpenVINO.
        threshold: minimum score of a detection; None for that of the manifest.
        limits: limits of the process.

    Raises:
        ModelToolsError: the artifact cannot be read.
        shared.artifact.errors.ArtifactError: the artifact or an image is not valid.
    """
    limits = limits or Limits.for_files(artifact, *images)
    return isolated(_predict, artifact, images, engine, precision, threshold, limits=limits)


def _predict(
    artifact: Path, images: list[Path], engine_name: str, precision: str, threshold: float | None
) -> list[Prediction]:
    from shared.vision.engine import open_engine  # noqa: PLC0415 - takes seconds to import

    with tempfile.TemporaryDirectory(prefix="model-tools-") as folder:
        unpacked = unpack_artifact(artifact, Path(folder))
        least_score = unpacked.manifest.threshold if threshold is None else threshold
        engine = open_engine(engine_name, unpacked, precision=precision)
        predictions = []
        for file in images:
            image = read_image(file)
            started = time.perf_counter()
            detections = engine.infer(image)
            milliseconds = (time.perf_counter() - started) * 1000
            above = [detection for detection in detections if detection.score >= least_score]
            predictions.append(Prediction(file, above, milliseconds))
        return predictions
