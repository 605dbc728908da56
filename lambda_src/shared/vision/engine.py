"""Engines, which run a model on an image and return detections."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.artifact.archive import Artifact
from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import IMAGE_CLASSIFICATION, InputSpec, SplitDetectorSpec
from shared.vision import postprocessing
from shared.vision.detections import Detection
from shared.vision.graph_loader import OPENVINO, RUNTIMES, open_runtime
from shared.vision.preprocessing import prepare
from shared.vision.runtime import Arrays, Runtime
from shared.vision.self_test import self_test
from shared.vision.ssd_postprocessing import detections_of

DEFAULT_ENGINE = OPENVINO
ENGINES = RUNTIMES

_WARM_UP_SIDE_PX = 300


class InferenceEngine(Protocol):
    """The interface of an engine, which runs one model."""

    name: str
    # The reason if the model does not run on the device that `auto` prefers, otherwise None.
    fallback: str | None

    def infer(self, image: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the detections in an image (uint8 [height, width, 3], RGB) by descending score."""
        ...


def open_engine(  # noqa: PLR0913 - keyword-only options
    name: str,
    artifact: Artifact,
    *,
    threads: int | None = None,
    precision: str = "f32",
    cache: Path | None = None,
    device: str = "cpu",
) -> InferenceEngine:
    """Load an artifact's model and run it once, because the first run is slow.

    OpenVINO runs the backbone graph of a split detector, because the complete graph is slow there.
    TensorFlow runs the complete graph.

    Args:
        name: one of `ENGINES`.
        artifact: an artifact that was checked against its digests.
        threads: number of CPU threads; None selects the runtime's default.
        precision: f32, or bf16 (OpenVINO only), which changes the results.
        cache: a folder for OpenVINO's compiled models.
        device: cpu, gpu or auto; the name of an engine on a GPU ends in `-gpu`. With `auto`, a GPU
            is used only if its results equal those of the CPU (`shared.vision.self_test`).

    Raises:
        EngineError: the device is not available.
        ArtifactError: the file is not a graph, or a tensor of the manifest is missing.
        ValueError: the engine or the precision is not supported.
    """
    manifest = artifact.manifest
    split = manifest.split if name == OPENVINO else None
    spec = split.input if split else manifest.input
    graph = artifact.directory / (split.graph if split else manifest.graph)
    outputs = (split.box_encodings, split.class_predictions) if split else manifest.outputs.values()
    names = tuple(output.name for output in outputs)

    def open_on(selected_device: str) -> Runtime:
        return open_runtime(
            name,
            graph,
            names,
            shapes=_known_shapes(spec),
            threads=threads,
            precision=precision,
            cache=cache,
            device=selected_device,
        )

    runtime, fallback = open_on(device), None
    if device == "auto" and runtime.device != "cpu":
        # Only scores of a detector are compared: the order of boxes and classes with equal scores
        # may differ.
        role = "scores" if manifest.task == IMAGE_CLASSIFICATION else "detection_scores"
        compared = names if split else (manifest.outputs[role].name,)
        runtime, fallback = self_test(runtime, lambda: open_on("cpu"), spec, compared)
    shown_name = name if runtime.device == "cpu" else f"{name}-{runtime.device}"
    engine_type = SplitDetectorEngine if split else ModelEngine
    engine: InferenceEngine = engine_type(shown_name, artifact, runtime, fallback)
    side_px = _WARM_UP_SIDE_PX
    engine.infer(np.zeros((spec.height_px or side_px, spec.width_px or side_px, 3), np.uint8))
    return engine


class ModelEngine:
    """An engine for complete graphs: classifiers and Object Detection API detectors."""

    def __init__(
        self, name: str, artifact: Artifact, runtime: Runtime, fallback: str | None = None
    ) -> None:
        self.name, self.fallback = name, fallback
        self._manifest = artifact.manifest
        self._labels = artifact.labels
        self._runtime = runtime

    def infer(self, image: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the detections in an image (uint8 [height, width, 3], RGB) by descending score."""
        spec = self._manifest.input
        results = self._runtime.run({spec.name: prepare(image, spec)})
        outputs = self._manifest.outputs
        if self._manifest.task == IMAGE_CLASSIFICATION:
            scores = outputs["scores"]
            return postprocessing.classes(results[scores.name], scores.activation, self._labels)
        by_role = {role: results[output.name] for role, output in outputs.items()}
        return postprocessing.detections(by_role, self._labels)


class SplitDetectorEngine:
    """An engine for backbone graphs of single-shot detectors, with postprocessing in NumPy."""

    def __init__(
        self, name: str, artifact: Artifact, runtime: Runtime, fallback: str | None = None
    ) -> None:
        split = artifact.manifest.split
        if split is None:
            raise ArtifactError(f"{artifact.manifest.name} has no backbone graph")
        self.name, self.fallback = name, fallback
        self._labels = artifact.labels
        self._detector = SplitDetector(split, artifact.directory / split.anchors, runtime)

    def infer(self, image: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the detections in an image (uint8 [height, width, 3], RGB) by descending score."""
        return postprocessing.detections(self._detector.run(image), self._labels)


class SplitDetector:
    """A backbone graph and its postprocessing, with the outputs of the Object Detection API."""

    def __init__(self, split: SplitDetectorSpec, anchors: Path, runtime: Runtime) -> None:
        self._split = split
        self._runtime = runtime
        try:
            self._anchors = np.load(anchors, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactError(f"{anchors}: cannot be read: {error}") from None
        if self._anchors.dtype != np.float32 or self._anchors.shape[1:] != (4,):
            raise ArtifactError(f"{anchors}: expected float32 [N, 4], got {self._anchors.shape}")

    def run(self, image: npt.NDArray[np.uint8]) -> Arrays:
        """Return the outputs by role for an image (uint8 [height, width, 3], RGB)."""
        split = self._split
        results = self._runtime.run({split.input.name: prepare(image, split.input)})
        encodings = results[split.box_encodings.name].reshape(-1, 4)
        predictions = results[split.class_predictions.name]
        predictions = predictions.reshape(-1, predictions.shape[-1])
        return detections_of(encodings, predictions, self._anchors, split)


def _known_shapes(spec: InputSpec) -> dict[str, tuple[int, ...]] | None:
    """Return the input's shape for one image, or None if its size varies."""
    if spec.height_px is None or spec.width_px is None:
        return None
    sides = (spec.height_px, spec.width_px)
    return {spec.name: (1, *sides, 3) if spec.layout == "NHWC" else (1, 3, *sides)}
