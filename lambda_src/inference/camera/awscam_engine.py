"""The engine of an AWS DeepLens: `awscam.Model`, on the Intel GPU of the device.

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

from shared.artifact.archive import Artifact
from shared.artifact.errors import ArtifactError, EngineError
from shared.artifact.manifest import IMAGE_CLASSIFICATION, Manifest
from shared.vision.detections import Box, Detection
from shared.vision.preprocessing import prepare

AWSCAM = "awscam"
_CLASSIFICATION, _SSD = "classification", "ssd"
_FAILURES = {1: "the platform is not supported", 2: "the model optimizer failed"}


class AwscamEngine:
    """An engine that runs an artifact with the library of the device.

    The number of a class equals its id in the label map. A classifier numbers its outputs from 0,
    and their ids start at 1.
    """

    def __init__(self, artifact: Artifact, *, on_gpu: bool) -> None:
        """Load the model.

        Raises:
            EngineError: this machine is not an AWS DeepLens.
            ArtifactError: the optimizer or the library of the device rejects the model.
        """
        awscam = _module(AWSCAM)
        if awscam is None:
            raise EngineError(
                "only an AWS DeepLens has the engine 'awscam'; use 'openvino' or 'tensorflow'"
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
            # AWS does not document the exceptions.
            raise ArtifactError(f"{path}: awscam cannot load it: {error}") from error
        self.infer(np.zeros((self._height_px, self._width_px, 3), np.uint8))

    def infer(self, picture: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the detections in an image (uint8 [height, width, 3], RGB), best first."""
        pixels = prepare(picture, self._spec)[0]
        if self._spec.layout == "NCHW":
            pixels = np.ascontiguousarray(pixels.transpose(1, 2, 0))
        parsed = self._model.parseResult(self._kind, self._model.doInference(pixels))
        detections = [self._detection(item) for item in parsed[self._kind]]
        return sorted(detections, key=lambda detection: -detection.score)

    def _detection(self, item: dict[str, Any]) -> Detection:
        number = int(item["label"])
        if self._kind == _CLASSIFICATION:
            return Detection(self._label(number + 1), float(item["prob"]))
        box = Box(
            ymin=_share(item["ymin"], self._height_px),
            xmin=_share(item["xmin"], self._width_px),
            ymax=_share(item["ymax"], self._height_px),
            xmax=_share(item["xmax"], self._width_px),
        )
        return Detection(self._label(number), float(item["prob"]), box)

    def _label(self, identifier: int) -> str:
        return self._labels.get(identifier, f"id {identifier}")


def _share(pixels: float, side_px: int) -> float:
    return min(1.0, max(0.0, float(pixels) / side_px))


def _require_probabilities(artifact: Artifact) -> None:
    """Reject scores that are not probabilities; the device's library does not convert them."""
    scores = artifact.manifest.outputs["scores"]
    is_single_score = scores.shape[-1] == 1 and len(artifact.labels) > 1
    if scores.activation not in {"softmax", "sigmoid"} or is_single_score:
        given = "one score for two labels" if is_single_score else "logits"
        raise ArtifactError(
            f"{artifact.manifest.name} returns {given}; engine 'awscam' requires one probability "
            "for each label: use 'openvino' or 'tensorflow'"
        )


def _input_size(manifest: Manifest) -> tuple[int, int]:
    spec = manifest.input
    if spec.width_px is None or spec.height_px is None:
        raise ArtifactError(
            f"{manifest.name}: engine 'awscam' requires a fixed input size, and the "
            "manifest contains none: freeze the model for one size"
        )
    return spec.width_px, spec.height_px


def _optimized(artifact: Artifact) -> Path:
    """Return the path of the optimized model, from the artifact or created on the device."""
    graph = Path(artifact.manifest.graph)
    packed = graph.with_suffix(".xml").name
    if {packed, graph.with_suffix(".bin").name} <= artifact.manifest.files.keys():
        return artifact.directory / packed
    optimizer = _module("mo")
    if optimizer is None:
        raise EngineError(
            f"engine 'awscam' requires the model optimizer (mo) on the device, or {packed} and its "
            ".bin in the artifact; neither is available"
        )
    width_px, height_px = _input_size(artifact.manifest)
    # The optimizer searches in /opt/awscam/artifacts, where a DeepLens stores the artifact.
    status, path = optimizer.optimize(graph.stem, width_px, height_px, platform="tf")
    if status:
        reason = _FAILURES.get(status, f"status {status}")
        raise ArtifactError(f"{artifact.graph_file}: mo.optimize: {reason}")
    return Path(path)


def _module(name: str) -> Any:
    """Import a module of the device's software; return None if the module is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
