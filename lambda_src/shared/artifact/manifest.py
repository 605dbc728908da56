"""Read manifest.json, which describes an artifact and configures the camera.

`manifest.schema.json` defines the format. This module contains the types of the content, and the
rules that a JSON Schema cannot express.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from shared.artifact.errors import ManifestError
from shared.artifact.strict_json import parse_json

if TYPE_CHECKING:
    from shared.artifact.drift_baseline import Baseline

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1
OBJECT_DETECTION = "object-detection"
IMAGE_CLASSIFICATION = "image-classification"
DETECTION_OUTPUTS = (
    "num_detections",
    "detection_boxes",
    "detection_scores",
    "detection_classes",
)

_SCHEMA = Path(__file__).with_name("manifest.schema.json")
_CHANNELS = 3
_LONGEST_MESSAGE = 200

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class InputSpec:
    """The input tensor of a graph: one image, uint8 or float32."""

    # The tensor's name, such as "image_tensor:0".
    name: str
    dtype: str
    layout: str
    # None if the graph accepts images of any size.
    width_px: int | None
    height_px: int | None
    channel_order: str
    resize: str
    # For float32 inputs: (value - mean) * scale, per channel.
    mean: Triple
    scale: Triple


@dataclass(frozen=True)
class OutputSpec:
    """An output tensor of a graph."""

    name: str
    dtype: str
    # None for dimensions of variable size.
    shape: tuple[int | None, ...]
    # For a classifier's scores: `softmax` or `sigmoid` if the graph applies the activation; `none`
    # (softmax) or `sigmoid-logits` if the postprocessing applies it.
    activation: str | None = None


@dataclass(frozen=True)
class SplitDetectorSpec:
    """The backbone graph of a single-shot detector, and the parameters of its postprocessing."""

    graph: str
    anchors: str
    input: InputSpec
    box_encodings: OutputSpec
    class_predictions: OutputSpec
    box_scale: tuple[float, float, float, float]
    score_converter: str
    score_threshold: float
    iou_threshold: float
    most_per_class: int
    most_detections: int


@dataclass(frozen=True)
class Manifest:
    """The checked content of manifest.json."""

    name: str
    version: str
    task: str
    graph: str
    labels: str
    input: InputSpec
    outputs: dict[str, OutputSpec]
    threshold: float
    # SHA-256 (hex) by file name, for the artifact's files except the manifest.
    files: dict[str, str]
    # The manifest's section `cut`; None if the graph is complete.
    split: SplitDetectorSpec | None
    # None if no drift baseline was measured.
    baseline: "Baseline | None"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read and check a manifest.

        Raises:
            ManifestError: the manifest is not valid; the message contains the key, the given value
                and the expected value.
        """
        try:
            document = parse_json(text)
        except ValueError as error:
            raise ManifestError(f"{MANIFEST_NAME} is not JSON: {error}") from None
        _check_form(document)
        manifest = cls(
            name=document["name"],
            version=document["version"],
            task=document["task"],
            graph=document["graph"],
            labels=document["labels"],
            input=_input_spec(document["input"], "input"),
            outputs={role: _output_spec(tensor) for role, tensor in document["outputs"].items()},
            threshold=float(document["threshold"]),
            files={name: entry["sha256"] for name, entry in document["files"].items()},
            split=split_detector_spec(document["cut"]) if "cut" in document else None,
            baseline=_baseline(document["baseline"]) if "baseline" in document else None,
        )
        named = [manifest.graph, manifest.labels]
        if manifest.split:
            named += [manifest.split.graph, manifest.split.anchors]
        for name in named:
            if name not in manifest.files:
                raise ManifestError(f"files: the digest of {name} is missing")
        if MANIFEST_NAME in manifest.files:
            raise ManifestError(f"files: {MANIFEST_NAME} cannot contain its own digest")
        return manifest


def _check_form(document: Any) -> None:
    if isinstance(document, dict) and document.get("schema_version") != SCHEMA_VERSION:
        raise ManifestError(
            f"schema_version: given {repr(document.get('schema_version'))[:_LONGEST_MESSAGE]}, "
            f"this software reads {SCHEMA_VERSION}"
        )
    # The import uses 6 MiB of memory, and a camera requires it only to read a manifest.
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - see above

    error = best_match(_validator().iter_errors(document))
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path) or MANIFEST_NAME
        raise ManifestError(f"{where}: {_shortened(error)}")


def _shortened(error: Any) -> str:
    """Return the error as one line, with long values truncated."""
    if len(error.message) <= _LONGEST_MESSAGE:
        return str(error.message)
    given, expected = repr(error.instance), json.dumps(error.validator_value)
    return f"given {given[:80]}…, expected {error.validator} {expected[:80]}"


@cache
def _validator() -> Any:
    import jsonschema  # noqa: PLC0415 - see _check_form

    return jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def _baseline(document: dict[str, Any]) -> "Baseline":
    from shared.artifact.drift_baseline import Baseline  # noqa: PLC0415 - avoids NumPy

    return Baseline.from_manifest(document)


def _input_spec(document: dict[str, Any], where: str) -> InputSpec:
    height_px, width_px = document["height_px"], document["width_px"]
    if (height_px is None) != (width_px is None):
        raise ManifestError(
            f"{where}: given width_px {width_px} and height_px {height_px}; "
            "give both, or null for both"
        )
    sides = [height_px, width_px]
    channels_last = document["layout"] == "NHWC"
    shape = [1, *sides, _CHANNELS] if channels_last else [1, _CHANNELS, *sides]
    if document["shape"] != shape:
        raise ManifestError(
            f"{where}.shape: given {document['shape']}, expected {shape} "
            "(from layout, width and height)"
        )
    first, second, third = (float(value) for value in document["mean"])
    red, green, blue = (float(value) for value in document["scale"])
    return InputSpec(
        name=document["name"],
        dtype=document["dtype"],
        layout=document["layout"],
        width_px=width_px,
        height_px=height_px,
        channel_order=document["channel_order"],
        resize=document["resize"],
        mean=(first, second, third),
        scale=(red, green, blue),
    )


def _output_spec(document: dict[str, Any]) -> OutputSpec:
    return OutputSpec(
        name=document["name"],
        dtype=document["dtype"],
        shape=tuple(document["shape"]),
        activation=document.get("activation"),
    )


def split_detector_spec(document: dict[str, Any]) -> SplitDetectorSpec:
    """Read the manifest's section `cut`, which was checked against the schema."""
    y, x, height, width = (float(value) for value in document["box_scale"])
    return SplitDetectorSpec(
        graph=document["graph"],
        anchors=document["anchors"],
        input=_input_spec(document["input"], "cut.input"),
        box_encodings=_output_spec(document["outputs"]["box_encodings"]),
        class_predictions=_output_spec(document["outputs"]["class_predictions"]),
        box_scale=(y, x, height, width),
        score_converter=document["score_converter"],
        score_threshold=float(document["score_threshold"]),
        iou_threshold=float(document["iou_threshold"]),
        most_per_class=document["most_per_class"],
        most_detections=document["most_detections"],
    )
