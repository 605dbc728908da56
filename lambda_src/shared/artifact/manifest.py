"""manifest.json: what an artifact says of itself, so that the camera need not be told.

`manifest.schema.json` is the whole truth of its form; here are the types that it becomes, and the
few rules that a schema cannot say.
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
    """The picture that a graph takes: one, uint8 or float32."""

    # The tensor's name, such as "image_tensor:0".
    name: str
    dtype: str
    layout: str
    # None: pictures of any size.
    width_px: int | None
    height_px: int | None
    channel_order: str
    resize: str
    # Of float32 inputs: (value - mean) * scale, per channel.
    mean: Triple
    scale: Triple


@dataclass(frozen=True)
class OutputSpec:
    """A tensor that a graph gives."""

    name: str
    dtype: str
    # None where the graph decides.
    shape: tuple[int | None, ...]
    # Of a classifier's scores: softmax or sigmoid if the graph ends in it; none (of a softmax) or
    # sigmoid-logits if the reader applies it.
    activation: str | None = None


@dataclass(frozen=True)
class CutSpec:
    """The convolutional part of a single-shot detector, and how its answers become detections."""

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
    """A manifest that was checked."""

    name: str
    version: str
    task: str
    graph: str
    labels: str
    input: InputSpec
    outputs: dict[str, OutputSpec]
    threshold: float
    # SHA-256 (hex) of each file beside the manifest.
    files: dict[str, str]
    cut: CutSpec | None
    # What the model sees when all is well, if it was measured.
    baseline: "Baseline | None"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read and check a manifest.

        Raises:
            ManifestError: names the key, what was given and what would work.
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
            cut=cut_spec(document["cut"]) if "cut" in document else None,
            baseline=_baseline(document["baseline"]) if "baseline" in document else None,
        )
        named = [manifest.graph, manifest.labels]
        if manifest.cut:
            named += [manifest.cut.graph, manifest.cut.anchors]
        for name in named:
            if name not in manifest.files:
                raise ManifestError(f"files: no digest of {name}")
        if MANIFEST_NAME in manifest.files:
            raise ManifestError(f"files: {MANIFEST_NAME} cannot hold its own digest")
        return manifest


def _check_form(document: Any) -> None:
    if isinstance(document, dict) and document.get("schema_version") != SCHEMA_VERSION:
        raise ManifestError(
            f"schema_version: given {repr(document.get('schema_version'))[:_LONGEST_MESSAGE]}, "
            f"this software reads {SCHEMA_VERSION}"
        )
    # Six MiB that a camera needs only while it reads a manifest's form.
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - see above

    error = best_match(_validator().iter_errors(document))
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path) or MANIFEST_NAME
        raise ManifestError(f"{where}: {_in_few_words(error)}")


def _in_few_words(error: Any) -> str:
    """One line, short even where what was given is long."""
    if len(error.message) <= _LONGEST_MESSAGE:
        return str(error.message)
    given, wanted = repr(error.instance), json.dumps(error.validator_value)
    return f"given {given[:80]}…, expected {error.validator} {wanted[:80]}"


@cache
def _validator() -> Any:
    import jsonschema  # noqa: PLC0415 - see _check_form

    return jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def _baseline(document: dict[str, Any]) -> "Baseline":
    from shared.artifact.drift_baseline import Baseline  # noqa: PLC0415 - NumPy, which most readers do without

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
            f"{where}.shape: given {document['shape']}, layout, width and height say {shape}"
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


def cut_spec(document: dict[str, Any]) -> CutSpec:
    """Read the manifest's `cut`, whose form was checked."""
    y, x, height, width = (float(value) for value in document["box_scale"])
    return CutSpec(
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
