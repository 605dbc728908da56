"""Infer the description of a model from its frozen graph."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_tools.artifact.labels import numbered_from_one
from model_tools.artifact.manifest_writer import ModelDescription
from model_tools.errors import AmbiguousError, SourceError
from model_tools.formats.tensors import TensorSpec
from model_tools.freezing.frozen_model import FrozenDetails
from model_tools.regular_files import read_at_most
from shared.artifact.manifest import (
    DETECTION_OUTPUTS,
    IMAGE_CLASSIFICATION,
    OBJECT_DETECTION,
    InputSpec,
    OutputSpec,
    Triple,
    split_detector_spec,
)
from shared.artifact.strict_json import parse_json

_IMAGE_RANK, _LEAST_SCORES_RANK, _CHANNELS = 4, 2, 3
_ALTERNATIVES = 'docs/models.md, "What a camera cannot run", describes the alternatives'
# Values of --activation that have another name in the manifest.
_ACTIVATIONS = {"logits": "none"}
_LARGEST_TRAINING_BYTES = 64 << 10
_NO_CHANGE: tuple[Triple, Triple] = ((0, 0, 0), (1, 1, 1))


@dataclass(frozen=True, kw_only=True)
class PackageRequest:
    """Properties that a graph does not contain, from the author of the model."""

    name: str
    version: str
    threshold: float
    # None selects the input size of the graph. A graph that accepts any size receives the camera's
    # frame unscaled.
    size_px: tuple[int, int] | None = None
    channel_order: str = "RGB"
    resize: str = "bilinear"
    mean: Triple | None = None
    scale: Triple | None = None
    # softmax, sigmoid, logits or sigmoid-logits; None selects the graph's last operation.
    activation: str | None = None
    # The training report, for example with the data set and the accuracy.
    training: dict[str, Any] | None = None


def read_training(file: Path) -> dict[str, Any]:
    """Return a training report, which is a JSON object (max 64 KiB).

    Raises:
        SourceError: the file cannot be read, or does not contain a JSON object.
    """
    try:
        document = parse_json(read_at_most(file, _LARGEST_TRAINING_BYTES))
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise SourceError(f"{file} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise SourceError(f'{file}: expected a JSON object, such as {{"accuracy": 0.97}}')
    return document


def infer_description(
    frozen: FrozenDetails, request: PackageRequest, *, last_activation: str | None
) -> ModelDescription:
    """Infer the description: the task from the graph's outputs, and the input from the graph.

    Args:
        frozen: the description of the graph that `freeze` wrote.
        request: the properties that cannot be inferred.
        last_activation: `softmax` or `sigmoid` if the graph ends with it.

    Raises:
        SourceError: the graph does not take one image.
        AmbiguousError: a property that cannot be inferred is missing.
    """
    outputs = _outputs(frozen, request, last_activation)
    task = OBJECT_DETECTION if "detection_boxes" in outputs else IMAGE_CLASSIFICATION
    return ModelDescription(
        name=request.name,
        version=request.version,
        task=task,
        input=_input(frozen, request),
        outputs=outputs,
        threshold=request.threshold,
        consumer=None if frozen.consumer == "tensorflow" else frozen.consumer,
        parity=frozen.parity,
        provenance=frozen.provenance
        | ({"training": request.training} if request.training is not None else {}),
        split=split_detector_spec(frozen.cut) if frozen.cut else None,
    )


def fitting_labels(description: ModelDescription, labels: dict[int, str]) -> dict[int, str]:
    """Return the labels with the ids of an artifact, from 1.

    Args:
        description: the description of the model.
        labels: names by id, from 0 or 1 (`read_labels`).

    Raises:
        SourceError: the labels do not match the model's outputs.
    """
    numbered = numbered_from_one(labels, description.task)
    if description.task == IMAGE_CLASSIFICATION:
        _require_all_labels(class_count(description), numbered)
    return numbered


def class_count(description: ModelDescription) -> int | None:
    """Return the number of a classifier's scores, or None for a detector or a variable number."""
    scores = description.outputs.get("scores")
    return _classes(scores.shape) if scores else None


def _outputs(
    frozen: FrozenDetails, request: PackageRequest, last_activation: str | None
) -> dict[str, OutputSpec]:
    by_role = {spec.name.partition(":")[0]: spec for spec in frozen.outputs.values()}
    by_role |= frozen.outputs
    if all(role in by_role for role in DETECTION_OUTPUTS):
        return {role: _output(by_role[role]) for role in DETECTION_OUTPUTS}
    if len(frozen.outputs) != 1:
        raise AmbiguousError(
            f"the outputs {', '.join(frozen.outputs)} are those of no supported task: expected "
            f"{', '.join(DETECTION_OUTPUTS)} of a detector, or one output of a classifier; freeze "
            "again with --output (perhaps as ALIAS=TENSOR)"
        )
    (spec,) = frozen.outputs.values()
    sides = spec.shape or ()
    if len(sides) < _LEAST_SCORES_RANK or sides[0] not in (None, 1) or len(_wide(sides)) > 1:
        raise SourceError(
            f"the shape of {spec} is not valid for a classifier: expected [images, classes]; "
            f"{_ALTERNATIVES}"
        )
    if spec.dtype != "float32":
        raise SourceError(
            f"the type of {spec} is not valid for scores: expected float32; append a cast and "
            f"freeze again; {_ALTERNATIVES}"
        )
    return {"scores": _output(spec, _activation(spec, request.activation, last_activation))}


def _wide(sides: tuple[int | None, ...]) -> list[int | None]:
    """Return the sides above 1, without the first side: scores may be [n, 1, 1, classes]."""
    return [side for side in sides[1:] if side != 1]


def _classes(sides: tuple[int | None, ...]) -> int | None:
    wide = _wide(sides)
    return wide[0] if wide else 1


def _activation(spec: TensorSpec, option: str | None, last_activation: str | None) -> str:
    """Return the activation to store in the manifest.

    Args:
        spec: the tensor of the scores.
        option: the value of `--activation`.
        last_activation: the operation that the graph ends with.
    """
    given = _ACTIVATIONS.get(option, option) if option else None
    if last_activation and given and given != last_activation:
        raise SourceError(
            f"{spec.name} is a {last_activation}, but --activation {option} was given: omit the "
            "option"
        )
    activation = given or last_activation
    if activation is None:
        raise AmbiguousError(
            f"{spec.name} ends in neither a softmax nor a sigmoid: set --activation to softmax or "
            "sigmoid (probabilities), logits (before a softmax) or sigmoid-logits (before a "
            "sigmoid); values of a regression are not scores, and are not packaged: "
            f"{_ALTERNATIVES}"
        )
    if _classes(spec.shape or ()) == 1 and activation in {"softmax", "none"}:
        raise SourceError(
            f"{spec.name} gives one value, whose softmax is always 1: for a binary classifier, "
            "use --activation sigmoid-logits if the value is a logit, or sigmoid if it is a "
            "probability; values of a regression are not scores, and are not packaged: "
            f"{_ALTERNATIVES}"
        )
    return activation


def _output(spec: TensorSpec, activation: str | None = None) -> OutputSpec:
    return OutputSpec(spec.name, spec.dtype, spec.shape or (), activation)


def _require_all_labels(classes: int | None, labels: dict[int, str]) -> None:
    if classes is None or sorted(labels) == list(range(1, classes + 1)):
        return
    if classes == 1:
        # A binary classifier has a label for a high score, and optionally another for a low score.
        if sorted(labels) == [1, 2]:
            return
        raise SourceError(
            f"{len(labels)} labels with ids from {min(labels)} to {max(labels)} do not match a "
            "classifier with one score: expected one label, or two (of a low score, then of a high "
            "one)"
        )
    raise SourceError(
        f"{len(labels)} labels with ids from {min(labels)} to {max(labels)} do not match a "
        f"classifier with {classes} scores: output i needs the label with id i + 1"
    )


def _input(frozen: FrozenDetails, request: PackageRequest) -> InputSpec:
    if len(frozen.inputs) != 1:
        raise SourceError(
            f"the inputs {', '.join(frozen.inputs)} are not valid for a camera: expected one "
            "image; freeze again with --set NAME=VALUE for each input that is not an image"
        )
    (spec,) = frozen.inputs.values()
    sides = spec.shape or ()
    if len(sides) != _IMAGE_RANK or sides[0] not in (None, 1):
        raise SourceError(
            f"the input {spec} is not valid for a camera: expected one image, "
            f"[1, height, width, 3]; {_ALTERNATIVES}"
        )
    channels_first = sides[1] == _CHANNELS and sides[3] != _CHANNELS
    if not channels_first and sides[3] not in (None, _CHANNELS):
        raise SourceError(
            f"the input {spec} is not valid for a camera: expected an image with 3 channels; "
            "prepend a layer that computes its channels from 3, and freeze again; "
            f"{_ALTERNATIVES}"
        )
    height_px, width_px = sides[2:] if channels_first else sides[1:3]
    if request.size_px is not None:
        given_width_px, given_height_px = request.size_px
        if height_px not in (None, given_height_px) or width_px not in (None, given_width_px):
            raise SourceError(
                f"--size {given_width_px}x{given_height_px} does not match the input {spec}: omit "
                "the option"
            )
        height_px, width_px = given_height_px, given_width_px
    if (height_px is None) != (width_px is None):
        raise AmbiguousError(
            f"the input {spec} has only one fixed side: set both with --size WIDTHxHEIGHT"
        )
    mean, scale = _normalization(spec, request)
    return InputSpec(
        name=spec.name,
        dtype=spec.dtype,
        layout="NCHW" if channels_first else "NHWC",
        width_px=width_px,
        height_px=height_px,
        channel_order=request.channel_order,
        resize=request.resize,
        mean=mean,
        scale=scale,
    )


def _normalization(spec: TensorSpec, request: PackageRequest) -> tuple[Triple, Triple]:
    if spec.dtype == "uint8":
        if request.mean or request.scale:
            raise SourceError(
                f"{spec.name} takes uint8, which is not normalized: omit --mean and --scale"
            )
        return _NO_CHANGE
    if spec.dtype != "float32":
        raise SourceError(
            f"the type of the input {spec} is not valid for a camera: expected uint8 or float32; "
            f"prepend a cast and freeze again; {_ALTERNATIVES}"
        )
    if request.mean is None or request.scale is None:
        raise AmbiguousError(
            f"{spec.name} takes float32: set --mean and --scale, which normalize values from 0 to "
            "255 as (value - mean) * scale; for -1 to 1: --mean 127.5 --scale 0.00784313725"
        )
    return request.mean, request.scale
