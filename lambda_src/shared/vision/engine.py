"""Engines: a picture in, detections out."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.artifact.archive import Artifact
from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import IMAGE_CLASSIFICATION, CutSpec, InputSpec
from shared.vision import postprocessing
from shared.vision.detections import Detection
from shared.vision.graph_loader import (
    OPENVINO,
    RUNTIMES,
    Arrays,
    Runtime,
    open_runtime,
)
from shared.vision.preprocessing import prepare
from shared.vision.self_test import self_test
from shared.vision.ssd_postprocessing import detections_of

DEFAULT_ENGINE = OPENVINO
ENGINES = RUNTIMES

_WARM_UP_SIDE_PX = 300


class InferenceEngine(Protocol):
    """Runs one model."""

    name: str
    # Why it does not run on the device that `auto` prefers; None if it does.
    fallback: str | None

    def infer(self, picture: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return what is on the picture (uint8 [height, width, 3], RGB), best first."""
        ...


def open_engine(  # noqa: PLR0913 - each is a choice of the caller's
    name: str,
    artifact: Artifact,
    *,
    threads: int | None = None,
    precision: str = "f32",
    cache: Path | None = None,
    device: str = "cpu",
) -> InferenceEngine:
    """Load an artifact's model and run it once, so that the first picture is not the slow one.

    A detector that was cut runs cut on OpenVINO, where its whole graph is slow; TensorFlow runs
    whole graphs.

    Args:
        name: one of `ENGINES`.
        artifact: whose digests were checked.
        threads: None leaves the choice to the runtime.
        precision: f32, or bf16 (OpenVINO only), which changes the numbers.
        cache: a folder for OpenVINO's compiled models.
        device: cpu, gpu or auto; an engine on a GPU has a name that says so. With `auto`, a GPU
            is used only if it computes what the CPU computes (`vision.self_test`).

    Raises:
        EngineError: there is no such device.
        ArtifactError: the graph is not one, or lacks a tensor that the manifest names.
        ValueError: there is no such engine or precision.
    """
    manifest = artifact.manifest
    cut = manifest.cut if name == OPENVINO else None
    spec = cut.input if cut else manifest.input
    graph = artifact.directory / (cut.graph if cut else manifest.graph)
    outputs = (cut.box_encodings, cut.class_predictions) if cut else manifest.outputs.values()
    names = tuple(output.name for output in outputs)

    def open_on(chosen: str) -> Runtime:
        return open_runtime(
            name,
            graph,
            names,
            shapes=_known_shapes(spec),
            threads=threads,
            precision=precision,
            cache=cache,
            device=chosen,
        )

    runtime, fallback = open_on(device), None
    if device == "auto" and runtime.device != "cpu":
        # A detector sorts by score: its boxes and classes may swap where scores are equal.
        role = "scores" if manifest.task == IMAGE_CLASSIFICATION else "detection_scores"
        compared = names if cut else (manifest.outputs[role].name,)
        runtime, fallback = self_test(runtime, lambda: open_on("cpu"), spec, compared)
    shown = name if runtime.device == "cpu" else f"{name}-{runtime.device}"
    kind = CutEngine if cut else ModelEngine
    engine: InferenceEngine = kind(shown, artifact, runtime, fallback)
    side_px = _WARM_UP_SIDE_PX
    engine.infer(np.zeros((spec.height_px or side_px, spec.width_px or side_px, 3), np.uint8))
    return engine


class ModelEngine:
    """Runs a whole graph: a detector with the Object Detection API's outputs, or a classifier."""

    def __init__(
        self, name: str, artifact: Artifact, runtime: Runtime, fallback: str | None = None
    ) -> None:
        self.name, self.fallback = name, fallback
        self._manifest = artifact.manifest
        self._labels = artifact.labels
        self._runtime = runtime

    def infer(self, picture: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return what is on the picture (uint8 [height, width, 3], RGB), best first."""
        spec = self._manifest.input
        answer = self._runtime.run({spec.name: prepare(picture, spec)})
        outputs = self._manifest.outputs
        if self._manifest.task == IMAGE_CLASSIFICATION:
            scores = outputs["scores"]
            return postprocessing.classes(answer[scores.name], scores.activation, self._labels)
        by_role = {role: answer[output.name] for role, output in outputs.items()}
        return postprocessing.detections(by_role, self._labels)


class CutEngine:
    """Runs the convolutions of a single-shot detector; the rest is NumPy."""

    def __init__(
        self, name: str, artifact: Artifact, runtime: Runtime, fallback: str | None = None
    ) -> None:
        cut = artifact.manifest.cut
        if cut is None:
            raise ArtifactError(f"{artifact.manifest.name} was not cut")
        self.name, self.fallback = name, fallback
        self._labels = artifact.labels
        self._detector = CutDetector(cut, artifact.directory / cut.anchors, runtime)

    def infer(self, picture: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return what is on the picture (uint8 [height, width, 3], RGB), best first."""
        return postprocessing.detections(self._detector.run(picture), self._labels)


class CutDetector:
    """From a picture to the Object Detection API's outputs, by a cut graph."""

    def __init__(self, cut: CutSpec, anchors: Path, runtime: Runtime) -> None:
        self._cut = cut
        self._runtime = runtime
        try:
            self._anchors = np.load(anchors, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactError(f"{anchors}: cannot be read: {error}") from None
        if self._anchors.dtype != np.float32 or self._anchors.shape[1:] != (4,):
            raise ArtifactError(f"{anchors}: expected float32 [N, 4], found {self._anchors.shape}")

    def run(self, picture: npt.NDArray[np.uint8]) -> Arrays:
        """Return the outputs by role for a picture (uint8 [height, width, 3], RGB)."""
        cut = self._cut
        answer = self._runtime.run({cut.input.name: prepare(picture, cut.input)})
        encodings = answer[cut.box_encodings.name].reshape(-1, 4)
        predictions = answer[cut.class_predictions.name]
        predictions = predictions.reshape(-1, predictions.shape[-1])
        return detections_of(encodings, predictions, self._anchors, cut)


def _known_shapes(spec: InputSpec) -> dict[str, tuple[int, ...]] | None:
    """A graph that takes any number of pictures is told that there is one."""
    if spec.height_px is None or spec.width_px is None:
        return None
    sides = (spec.height_px, spec.width_px)
    return {spec.name: (1, *sides, 3) if spec.layout == "NHWC" else (1, 3, *sides)}
