"""Split a detector of TensorFlow's Object Detection API into a backbone graph and postprocessing.

OpenVINO needs 16 to 41 s to compile a complete graph of the API's model zoo, and runs the graph
slower than TensorFlow. Most of that time is non-maximum suppression, class by class, in a loop. The
convolutions, the backbone, run fast. Parameters of pre- and postprocessing are read from constants
of the graph.
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
from model_tools.formats.tensors import Arrays, LoadedModel, TensorSpec
from model_tools.freezing.freeze import FreezeOptions, freeze
from model_tools.freezing.passes.constants import constant_behind
from model_tools.graph.queries import node_name, nodes_by_name, subgraph, tensor_name
from shared.artifact.manifest import (
    DETECTION_OUTPUTS,
    InputSpec,
    OutputSpec,
    SplitDetectorSpec,
)
from shared.vision.engine import SplitDetector
from shared.vision.graph_loader import TENSORFLOW, open_runtime

# Names of the backbone graph and of the anchors in artifacts.
BACKBONE_NAME = "cut_model.pb"
ANCHORS_NAME = "anchors.npy"

_PIXELS = "Preprocessor/sub"
_SCALED = "Preprocessor/mul"
_DECODE = "Postprocessor/Decode"
_ANCHORS = f"{_DECODE}/get_center_coordinates_and_sizes"
_SCORES = "Postprocessor/convert_scores"
_CONVERTERS = {"Sigmoid": "sigmoid", "Softmax": "softmax", "Identity": "identity"}
_NO_SCALING = ("RealDiv", "Identity", "Slice")
_TOLERANCE = 1e-5
_RANDOM_IMAGES = 2


class NotSplitError(ModelToolsError):
    """Raised if a graph cannot be split; the message contains the reason."""


@dataclass(frozen=True)
class DetectorSplit:
    """The backbone graph of a detector, its anchors, and the parameters of its postprocessing.

    `anchors` is an .npy file of float32 [anchors, 4]. `largest_difference` is the largest absolute
    difference from the complete graph's results. `images` is the number of compared images.
    """

    backbone: bytes
    anchors: bytes
    spec: SplitDetectorSpec
    largest_difference: float
    images: int


def split_detector(model: LoadedModel, images: list[npt.NDArray[np.uint8]]) -> DetectorSplit:
    """Split a detector, and compare the results with those of the complete graph.

    Args:
        model: a loaded model; its graph is not modified.
        images: uint8 [height, width, 3], RGB, for the comparison; random images are added.

    Raises:
        NotSplitError: the graph is not a single-shot detector of the Object Detection API, or the
            results differ.
    """
    try:
        spec, anchors = _read(model)
        backbone = _backbone(model, spec)
    except (KeyError, AmbiguousError, FreezeError, SourceError, tf.errors.OpError) as error:
        raise NotSplitError(f"the graph is not a known single-shot detector: {error}") from None
    compared = [*images, *_random_images(model)]
    difference = _largest_difference(model, DetectorSplit(backbone, anchors, spec, 0, 0), compared)
    if difference > _TOLERANCE:
        raise NotSplitError(
            f"the results of the parts differ by {difference:.1e}; {_TOLERANCE:.0e} is accepted"
        )
    return DetectorSplit(backbone, anchors, spec, difference, len(compared))


def _read(model: LoadedModel) -> tuple[SplitDetectorSpec, bytes]:
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
    spec = SplitDetectorSpec(
        graph=BACKBONE_NAME,
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
    """Convert (value * factor) - shift of the graph to (value - mean) * scale of a manifest."""
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
    """Return the name of the tensor of raw scores (background first), and the score converter."""
    converter = nodes[_SCORES]
    reference = converter.input[0]
    while nodes[node_name(reference)].op in _NO_SCALING:
        node = nodes[node_name(reference)]
        if node.op == "RealDiv" and _scalar(node.input[1], nodes) != 1:
            raise NotSplitError("the scores are scaled before they are converted")
        if node.op == "Slice" and converter.op == "Softmax":
            raise NotSplitError("the softmax does not include the background")
        reference = node.input[0]
    if converter.op not in _CONVERTERS:
        raise NotSplitError(
            f"the scores are converted by {converter.op}: expected one of {', '.join(_CONVERTERS)}"
        )
    return tensor_name(reference), _CONVERTERS[converter.op]


def _suppression(nodes: dict[str, Any]) -> dict[str, float]:
    kinds = ("NonMaxSuppressionV2", "NonMaxSuppressionV3")
    suppressions = [node for node in nodes.values() if node.op in kinds]
    if not suppressions:
        raise NotSplitError("the graph has no non-maximum suppression")
    limits = {
        (_scalar(node.input[3], nodes), _at_most(node.input[2], nodes)) for node in suppressions
    }
    thresholds = {
        _scalar(node.input[1], nodes)
        for node in nodes.values()
        if node.op == "Greater" and "/FilterGreaterThan" in node.name
    }
    if len(limits) != 1 or len(thresholds) != 1:
        raise NotSplitError("the classes have different thresholds")
    ((iou_threshold, most),) = limits
    return {
        "iou_threshold": iou_threshold,
        "most_per_class": most,
        "score_threshold": thresholds.pop(),
    }


def _at_most(reference: str, nodes: dict[str, Any]) -> float:
    """Return the constant operand of `minimum(constant, number of boxes)`."""
    node = nodes[node_name(reference)]
    while node.op in {"Minimum", "Identity", "Enter"}:
        constant = next(
            (name for name in node.input if nodes[node_name(name)].op == "Const"), node.input[0]
        )
        node = nodes[node_name(constant)]
    return _scalar(node.name, nodes)


def _scalar(reference: str, nodes: dict[str, Any]) -> float:
    value = constant_behind(reference, nodes)
    if value is None or value.size != 1:
        raise NotSplitError(f"{node_name(reference)} is not a constant number")
    return float(value)


def _evaluate(model: LoadedModel, tensors: list[str]) -> Arrays:
    """Run the complete graph on a black image, and return intermediate tensors."""
    height_px, width_px = _sides(model)
    return _run_graph(
        model.graph, {_input(model).name: np.zeros((1, height_px, width_px, 3), np.uint8)}, tensors
    )


def _run_graph(graph: Any, feed: Arrays, tensors: list[str]) -> Arrays:
    with tf.Graph().as_default() as imported, tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        fetches = {name: imported.get_tensor_by_name(name) for name in tensors}
        return dict(session.run(fetches, feed))


def _backbone(model: LoadedModel, spec: SplitDetectorSpec) -> bytes:
    """Freeze the graph between the pixels and the raw outputs, like any other model."""
    shape = (1, spec.input.height_px, spec.input.width_px, 3)
    outputs = {
        "box_encodings": spec.box_encodings.name,
        "class_predictions": spec.class_predictions.name,
    }

    def run(arrays: Arrays) -> Arrays:
        answer = _run_graph(
            subgraph(model.graph, outputs.values()),
            {spec.input.name: arrays["pixels"]},
            list(outputs.values()),
        )
        return {alias: answer[name] for alias, name in outputs.items()}

    backbone = LoadedModel(
        graph=subgraph(model.graph, outputs.values(), [spec.input.name]),
        inputs={"pixels": TensorSpec(spec.input.name, "float32", shape)},
        outputs={alias: TensorSpec(name, "float32", None) for alias, name in outputs.items()},
        run=run,
    )
    return freeze(backbone, FreezeOptions(tolerance=_TOLERANCE)).graph


def _largest_difference(
    model: LoadedModel, split: DetectorSplit, images: list[npt.NDArray[np.uint8]]
) -> float:
    """Return the largest absolute difference of detections; infinite if their numbers differ."""
    with TemporaryDirectory(prefix="model-tools-") as folder:
        graph, anchors = Path(folder) / BACKBONE_NAME, Path(folder) / ANCHORS_NAME
        graph.write_bytes(split.backbone)
        anchors.write_bytes(split.anchors)
        names = (split.spec.box_encodings.name, split.spec.class_predictions.name)
        detector = SplitDetector(split.spec, anchors, open_runtime(TENSORFLOW, graph, names))
        (alias,) = model.inputs
        return max(
            _difference(model.run({alias: image[np.newaxis]}), detector.run(image))
            for image in images
        )


def _difference(complete: Arrays, parts: Arrays) -> float:
    count = int(complete["num_detections"][0])
    if count != int(parts["num_detections"][0]):
        return float("inf")
    return max(
        (
            float(np.max(np.abs(complete[role][0][:count] - parts[role][0][:count]), initial=0.0))
            for role in DETECTION_OUTPUTS[1:]
        ),
        default=0.0,
    )


def _random_images(model: LoadedModel) -> list[npt.NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    sides = _sides(model)
    return [random.integers(0, 256, (*sides, 3), np.uint8) for _ in range(_RANDOM_IMAGES)]


def _input(model: LoadedModel) -> TensorSpec:
    if len(model.inputs) != 1 or not all(role in model.outputs for role in DETECTION_OUTPUTS):
        raise NotSplitError(
            "the model does not have the inputs and outputs of the Object Detection API"
        )
    (spec,) = model.inputs.values()
    return spec


def _sides(model: LoadedModel) -> tuple[int, int]:
    shape = _input(model).shape or (None,) * 4
    return shape[1] or 320, shape[2] or 480
