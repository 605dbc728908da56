"""What a model says of pictures."""

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model_tools.artifacts import unpack_artifact
from model_tools.isolation import Limits, isolated
from model_tools.pictures import read_picture
from shared.vision.detections import Detection


@dataclass(frozen=True)
class Prediction:
    """What is on one picture, best first."""

    picture: Path
    detections: list[Detection]
    # Preparing the picture included.
    milliseconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data; a detection's box is null where a classifier made it."""
        return {
            "picture": self.picture.name,
            "milliseconds": round(self.milliseconds, 2),
            "detections": [asdict(one) for one in self.detections],
        }


def predict(  # noqa: PLR0913 - each is a choice of the caller's
    artifact: Path,
    pictures: list[Path],
    *,
    engine: str = "openvino",
    precision: str = "f32",
    threshold: float | None = None,
    limits: Limits | None = None,
) -> list[Prediction]:
    """Run an artifact on pictures, in a limited process.

    Args:
        artifact: a model.zip.
        pictures: files.
        engine: openvino or tensorflow.
        precision: f32, or bf16 on OpenVINO.
        threshold: lowest score that counts; None takes the manifest's.
        limits: of the process.

    Raises:
        ModelToolsError, shared.artifact.errors.VisionError: a file is not what it should be.
    """
    limits = limits or Limits.for_files(artifact, *pictures)
    return isolated(_predict, artifact, pictures, engine, precision, threshold, limits=limits)


def _predict(
    artifact: Path, pictures: list[Path], engine: str, precision: str, threshold: float | None
) -> list[Prediction]:
    from shared.vision.engine import open_engine  # noqa: PLC0415 - takes seconds

    with tempfile.TemporaryDirectory(prefix="model-tools-") as folder:
        opened = unpack_artifact(artifact, Path(folder))
        least = opened.manifest.threshold if threshold is None else threshold
        loaded = open_engine(engine, opened, precision=precision)
        predictions = []
        for file in pictures:
            picture = read_picture(file)
            began = time.perf_counter()
            found = loaded.infer(picture)
            took = (time.perf_counter() - began) * 1000
            kept = [one for one in found if one.score >= least]
            predictions.append(Prediction(file, kept, took))
        return predictions
