"""Cut the convolutions out of a detector of TensorFlow's Object Detection API.

A whole graph of its model zoo takes OpenVINO 16 to 41 s to compile and runs slower there than on
TensorFlow: it is mostly non-maximum suppression, class by class, in a loop. Its convolutions alone
run fast. What they need before and after is in the graph as constants, and is read from there.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from model_tools.errors import AmbiguousError, FreezeError, ModelToolsError, SourceError
from model_tools.freezing.constants import constant_behind
from model_tools.freezing.freeze import FreezeOptions, freeze
from model_tools.graphs.names import node_name, tensor_name
from model_tools.graphs.reach import nodes_by_name, subgraph
from model_tools.sources.tensors import Arrays, LoadedModel, TensorSpec
from shared.artifact.manifest import (
    DETECTION_OUTPUTS,
    CutSpec,
    InputSpec,
    OutputSpec,
)
from shared.vision.engine import CutDetector
from shared.vision.runtimes import TENSORFLOW, open_runtime

CUT_GRAPH_NAME = "cut_model.pb"
ANCHORS_NAME = "anchors.npy"

_PIXELS = "Preprocessor/sub"
_SCALED = "Preprocessor/mul"
_DECODE = "Postprocessor/Decode"
_ANCHORS = f"{_DECODE}/get_center_coordinates_and_sizes"
_SCORES = "Postprocessor/convert_scores"
_CONVERTERS = {"Sigmoid": "sigmoid", "Softmax": "softmax", "Identity": "identity"}
_NO_SCALING = ("RealDiv", "Identity", "Slice")
_TOLERANCE = 1e-5
_RANDOM_PICTURES = 2


class CutRefusedError(ModelToolsError):
    """The graph stays whole; the text says why."""


@dataclass(frozen=True)
class Cut:
    """The convolutions alone, their anchors, and how their answers become detections."""

    graph: bytes
    anchors: bytes
    spec: CutSpec
    largest_difference: float
    pictures: int


def cut_detector(model: LoadedModel, pictures: list[npt.NDArray[np.uint8]]) -> Cut:
    """Cut a detector, and compare the parts with the whole.

    Args:
        model: as it was loaded; its graph is left as it is.
        pictures: uint8 [height, width, 3], RGB, to compare on beside random ones.

    Raises:
        CutRefusedError: the graph is not of the Object Detection API's single-shot detectors, or
            the parts do not answer as the whole.
    """
    try:
        spec, anchors = _read(model)
        graph = _convolutions(model, spec)
    except (KeyError, AmbiguousError, FreezeError, SourceError, tf.errors.OpError) as error:
        raise CutRefusedError(f"not a single-shot detector that is known: {error}") from None
    compared = [*pictures, *_random_pictures(model)]
    difference = _largest_difference(model, Cut(graph, anchors, spec, 0, 0), compared)
    if difference > _TOLERANCE:
        raise CutRefusedError(
            f"its parts differ from the whole by {difference:.1e}; {_TOLERANCE:.0e} is accepted"
        )
    return Cut(graph, anchors, spec, difference, len(compared))


def _read(model: LoadedModel) -> tuple[CutSpec, bytes]:
    nodes = nodes_by_name(model.graph)
    pixels = _pixels(model, nodes)
    encodings = tensor_name(nodes["Postprocessor/Reshape_1"].input[0])
    predictions, converter = _predictions(nodes)
    suppression = _suppression(nodes)
    scale = [
        _scalar(nodes[name].input[1], nodes)
        for name in (f"{_DECODE}/div", *(f"{_DECODE}/div_{n}" for n in (1, 2, 3)))
    ]
    parts = [f"{_ANCHORS}/{name}:0" for name in ("add", "add_1", "sub_1", "sub")]
    values = _evaluate(model, parts)
    anchors = np.stack([values[name].astype(np.float32) for name in parts], axis=1)
    saved = io.BytesIO()
    np.save(saved, anchors)
    most = model.outputs["detection_boxes"].shape
    spec = CutSpec(
        graph=CUT_GRAPH_NAME,
        anchors=ANCHORS_NAME,
        input=pixels,
        box_encodings=OutputSpec(encodings, "float32", (None, len(anchors), 4)),
        class_predictions=OutputSpec(predictions, "float32", (None, len(anchors), None)),
        box_scale=(scale[0], scale[1], scale[2], scale[3]),
        score_converter=converter,
        score_threshold=suppression["score_threshold"],
        iou_threshold=suppression["iou_threshold"],
        most_per_class=int(suppression["most_per_class"]),
        most_detections=(most[1] if most and most[1] else int(suppression["most_per_class"])),
    )
    return spec, saved.getvalue()


def _pixels(model: LoadedModel, nodes: dict[str, Any]) -> InputSpec:
    """(value * factor) - shift of the graph, as (value - mean) * scale of a manifest."""
    factor = _scalar(nodes[_SCALED].input[0], nodes)
    shift = _scalar(nodes[_PIXELS].input[1], nodes)
    pixels = _evaluate(model, [f"{_PIXELS}:0"])[f"{_PIXELS}:0"]
    _, height_px, width_px, _ = pixels.shape
    mean = shift / factor
    return InputSpec(
        name=f"{_PIXELS}:0",
        dtype="float32",
        layout="NHWC",
        width_px=width_px,
        height_px=height_px,
        channel_order="RGB",
        resize="tf1-bilinear",
        mean=(mean, mean, mean),
        scale=(factor, factor, factor),
    )


def _predictions(nodes: dict[str, Any]) -> tuple[str, str]:
    """Return the tensor of raw scores, the background's first, and what converts them."""
    converter = nodes[_SCORES]
    reference = converter.input[0]
    while nodes[node_name(reference)].op in _NO_SCALING:
        node = nodes[node_name(reference)]
        if node.op == "RealDiv" and _scalar(node.input[1], nodes) != 1:
            raise CutRefusedError("its scores are scaled before they are converted")
        if node.op == "Slice" and converter.op == "Softmax":
            raise CutRefusedError("its softmax leaves the background out")
        reference = node.input[0]
    if converter.op not in _CONVERTERS:
        raise CutRefusedError(f"its scores are converted by {converter.op}")
    return tensor_name(reference), _CONVERTERS[converter.op]


def _suppression(nodes: dict[str, Any]) -> dict[str, float]:
    kinds = ("NonMaxSuppressionV2", "NonMaxSuppressionV3")
    suppressions = [node for node in nodes.values() if node.op in kinds]
    if not suppressions:
        raise CutRefusedError("it has no non-maximum suppression")
    found = {
        (_scalar(node.input[3], nodes), _at_most(node.input[2], nodes)) for node in suppressions
    }
    thresholds = {
        _scalar(node.input[1], nodes)
        for node in nodes.values()
        if node.op == "Greater" and "/FilterGreaterThan" in node.name
    }
    if len(found) != 1 or len(thresholds) != 1:
        raise CutRefusedError("its classes are suppressed by different rules")
    ((iou_threshold, most),) = found
    return {
        "iou_threshold": iou_threshold,
        "most_per_class": most,
        "score_threshold": thresholds.pop(),
    }


def _at_most(reference: str, nodes: dict[str, Any]) -> float:
    """Return the constant of `minimum(constant, number of boxes)`."""
    node = nodes[node_name(reference)]
    while node.op in {"Minimum", "Identity", "Enter"}:
        constant = next(
            (each for each in node.input if nodes[node_name(each)].op == "Const"), node.input[0]
        )
        node = nodes[node_name(constant)]
    return _scalar(node.name, nodes)


def _scalar(reference: str, nodes: dict[str, Any]) -> float:
    value = constant_behind(reference, nodes)
    if value is None or value.size != 1:
        raise CutRefusedError(f"{node_name(reference)} is no number")
    return float(value)


def _evaluate(model: LoadedModel, tensors: list[str]) -> Arrays:
    """Run the whole graph on a black picture; return inner tensors."""
    height_px, width_px = _sides(model)
    return _run_graph(
        model.graph, {_input(model).name: np.zeros((1, height_px, width_px, 3), np.uint8)}, tensors
    )


def _run_graph(graph: Any, feed: Arrays, tensors: list[str]) -> Arrays:
    with tf.Graph().as_default() as imported, tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        fetches = {name: imported.get_tensor_by_name(name) for name in tensors}
        return dict(session.run(fetches, feed))


def _convolutions(model: LoadedModel, spec: CutSpec) -> bytes:
    """Freeze what is between the pixels and the raw answers, like any other model."""
    whole = model.graph
    side = (1, spec.input.height_px, spec.input.width_px, 3)
    outputs = {
        "box_encodings": spec.box_encodings.name,
        "class_predictions": spec.class_predictions.name,
    }

    def run(arrays: Arrays) -> Arrays:
        answer = _run_graph(
            subgraph(whole, outputs.values()),
            {spec.input.name: arrays["pixels"]},
            list(outputs.values()),
        )
        return {alias: answer[name] for alias, name in outputs.items()}

    part = LoadedModel(
        graph=subgraph(whole, outputs.values(), [spec.input.name]),
        inputs={"pixels": TensorSpec(spec.input.name, "float32", side)},
        outputs={alias: TensorSpec(name, "float32", None) for alias, name in outputs.items()},
        run=run,
    )
    return freeze(part, FreezeOptions(tolerance=_TOLERANCE)).graph


def _largest_difference(
    model: LoadedModel, cut: Cut, pictures: list[npt.NDArray[np.uint8]]
) -> float:
    """Compare detections one by one; another number of them is a difference without measure."""
    with TemporaryDirectory(prefix="model-tools-") as folder:
        graph, anchors = Path(folder) / CUT_GRAPH_NAME, Path(folder) / ANCHORS_NAME
        graph.write_bytes(cut.graph)
        anchors.write_bytes(cut.anchors)
        names = (cut.spec.box_encodings.name, cut.spec.class_predictions.name)
        detector = CutDetector(cut.spec, anchors, open_runtime(TENSORFLOW, graph, names))
        (alias,) = model.inputs
        return max(
            _difference(model.run({alias: picture[np.newaxis]}), detector.run(picture))
            for picture in pictures
        )


def _difference(whole: Arrays, parts: Arrays) -> float:
    count = int(whole["num_detections"][0])
    if count != int(parts["num_detections"][0]):
        return float("inf")
    return max(
        (
            float(np.max(np.abs(whole[role][0][:count] - parts[role][0][:count]), initial=0.0))
            for role in DETECTION_OUTPUTS[1:]
        ),
        default=0.0,
    )


def _random_pictures(model: LoadedModel) -> list[npt.NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    sides = _sides(model)
    return [random.integers(0, 256, (*sides, 3), np.uint8) for _ in range(_RANDOM_PICTURES)]


def _input(model: LoadedModel) -> TensorSpec:
    if len(model.inputs) != 1 or not all(role in model.outputs for role in DETECTION_OUTPUTS):
        raise CutRefusedError("it has not the Object Detection API's inputs and outputs")
    (spec,) = model.inputs.values()
    return spec


def _sides(model: LoadedModel) -> tuple[int, int]:
    shape = _input(model).shape or (None,) * 4
    return shape[1] or 320, shape[2] or 480
