"""The engine of an AWS DeepLens: `awscam.Model`, on the device's own Intel GPU.

Source: AWS DeepLens Developer Guide, "Device Library": `awscam.Model(path, {"GPU": 1})`,
`doInference(frame) -> {layer: ndarray}`, `parseResult("classification" | "ssd", raw)` with labels
as numbers and an SSD's boxes in pixels of the model's input, and
`mo.optimize(name, width, height, platform="tf") -> (status, path)`.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from camera.engine_choice import AWSCAM
from shared.artifact.archive import Artifact
from shared.artifact.errors import ArtifactError, EngineError
from shared.artifact.manifest import IMAGE_CLASSIFICATION, Manifest
from shared.vision.detections import Box, Detection
from shared.vision.preprocessing import prepare

_CLASSIFICATION, _SSD = "classification", "ssd"
_FAILURES = {1: "the platform is not supported", 2: "the model optimizer failed"}


class DeepLensEngine:
    """Runs an artifact as the device's software does.

    The number of a class is the label map's id; a classifier's first output has number 0 and id 1.
    """

    def __init__(self, artifact: Artifact, *, on_gpu: bool) -> None:
        """Load the model.

        Raises:
            EngineError: this is no DeepLens.
            ArtifactError: its optimizer or its library does not take the model.
        """
        awscam = _module(AWSCAM)
        if awscam is None:
            raise EngineError(
                "engine 'awscam': only an AWS DeepLens has it; take 'openvino' or 'tensorflow'"
            )
        self.name = AWSCAM
        self.fallback: str | None = None
        manifest = artifact.manifest
        self._spec = manifest.input
        self._labels = artifact.labels
        self._width_px, self._height_px = _input_size(manifest)
        self._kind = _CLASSIFICATION if manifest.task == IMAGE_CLASSIFICATION else _SSD
        if self._kind == _CLASSIFICATION:
            _require_probabilities(artifact)
        path = _optimized(artifact)
        try:
            self._model = awscam.Model(str(path), {"GPU": int(on_gpu)})
        except Exception as error:
            # Which kinds it raises, its documentation does not say.
            raise ArtifactError(f"{path}: awscam cannot load it: {error}") from error
        self.infer(np.zeros((self._height_px, self._width_px, 3), np.uint8))

    def infer(self, picture: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return what is on the picture (uint8 [height, width, 3], RGB), best first."""
        pixels = prepare(picture, self._spec)[0]
        if self._spec.layout == "NCHW":
            pixels = np.ascontiguousarray(pixels.transpose(1, 2, 0))
        parsed = self._model.parseResult(self._kind, self._model.doInference(pixels))
        found = [self._detection(one) for one in parsed[self._kind]]
        return sorted(found, key=lambda detection: -detection.score)

    def _detection(self, one: dict[str, Any]) -> Detection:
        number = int(one["label"])
        if self._kind == _CLASSIFICATION:
            return Detection(self._label(number + 1), float(one["prob"]))
        box = Box(
            ymin=_share(one["ymin"], self._height_px),
            xmin=_share(one["xmin"], self._width_px),
            ymax=_share(one["ymax"], self._height_px),
            xmax=_share(one["xmax"], self._width_px),
        )
        return Detection(self._label(number), float(one["prob"]), box)

    def _label(self, identifier: int) -> str:
        return self._labels.get(identifier, f"id {identifier}")


def _share(pixels: float, side_px: int) -> float:
    return min(1.0, max(0.0, float(pixels) / side_px))


def _require_probabilities(artifact: Artifact) -> None:
    """Refuse scores that the device's library would publish as they are."""
    scores = artifact.manifest.outputs["scores"]
    one_of_two = scores.shape[-1] == 1 and len(artifact.labels) > 1
    if scores.activation not in {"softmax", "sigmoid"} or one_of_two:
        given = "one score of two labels" if one_of_two else "logits"
        raise ArtifactError(
            f"{artifact.manifest.name} gives {given}; engine 'awscam' reads one probability for "
            "each label: use 'openvino' or 'tensorflow'"
        )


def _input_size(manifest: Manifest) -> tuple[int, int]:
    spec = manifest.input
    if spec.width_px is None or spec.height_px is None:
        raise ArtifactError(
            f"{manifest.name}: awscam needs the size of the model's pictures, and the manifest "
            "leaves it open; freeze the model for one size"
        )
    return spec.width_px, spec.height_px


def _optimized(artifact: Artifact) -> Path:
    """Return the model in the form that the device runs: made there, or packed and verified."""
    graph = Path(artifact.manifest.graph)
    packed = graph.with_suffix(".xml").name
    if {packed, graph.with_suffix(".bin").name} <= artifact.manifest.files.keys():
        return artifact.directory / packed
    optimizer = _module("mo")
    if optimizer is None:
        raise EngineError(
            f"engine 'awscam': the device has no model optimizer (mo), and the artifact has no "
            f"{packed} with its .bin"
        )
    width_px, height_px = _input_size(artifact.manifest)
    # It looks for the name in /opt/awscam/artifacts, where a DeepLens has the artifact.
    status, path = optimizer.optimize(graph.stem, width_px, height_px, platform="tf")
    if status:
        reason = _FAILURES.get(status, f"status {status}")
        raise ArtifactError(f"{artifact.graph_file}: mo.optimize: {reason}")
    return Path(path)


def _module(name: str) -> Any:
    """Import a part of the device's software; None where there is none."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
