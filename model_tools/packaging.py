"""From a frozen model to a description that cameras understand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_tools.describe import ModelDescription
from model_tools.errors import AmbiguousError, SourceError
from model_tools.freezing.folder import FrozenDetails
from model_tools.labels import numbered_from_one
from model_tools.regular_files import read_at_most
from model_tools.sources.tensors import TensorSpec
from shared.artifact.manifest import (
    DETECTION_OUTPUTS,
    IMAGE_CLASSIFICATION,
    OBJECT_DETECTION,
    InputSpec,
    OutputSpec,
    Triple,
    cut_spec,
)
from shared.artifact.strict_json import parse_json

_PICTURE_RANK, _LEAST_SCORES_RANK, _CHANNELS = 4, 2, 3
_NOT_TAKEN = 'docs/models.md, "What a camera cannot run", describes the alternatives'
# The manifest's values for those of --activation.
_ACTIVATIONS = {"logits": "none"}
_LARGEST_TRAINING_BYTES = 64 << 10
_NO_CHANGE: tuple[Triple, Triple] = ((0, 0, 0), (1, 1, 1))


@dataclass(frozen=True, kw_only=True)
class PackageRequest:
    """What only the author of a model knows."""

    name: str
    version: str
    threshold: float
    # None: as the graph says; a graph that takes any size is given the camera's picture as it is.
    size_px: tuple[int, int] | None = None
    channel_order: str = "RGB"
    resize: str = "bilinear"
    mean: Triple | None = None
    scale: Triple | None = None
    # softmax, sigmoid, logits or sigmoid-logits; None: as the graph shows.
    activation: str | None = None
    # What training reported, such as its data and its accuracy.
    training: dict[str, Any] | None = None


def read_training(file: Path) -> dict[str, Any]:
    """Return what training reported, a JSON object of at most 64 KiB.

    Raises:
        SourceError: the file cannot be read, or is something else.
    """
    try:
        document = parse_json(read_at_most(file, _LARGEST_TRAINING_BYTES))
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise SourceError(f"{file} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise SourceError(f'{file}: expected an object, such as {{"accuracy": 0.97}}')
    return document


def describe(
    frozen: FrozenDetails, request: PackageRequest, *, shown: str | None
) -> ModelDescription:
    """Tell the task from the outputs, and write down the input as the graph takes it.

    Args:
        frozen: what `freeze` said of the graph.
        request: the rest.
        shown: `softmax` or `sigmoid` if the graph ends in it.

    Raises:
        SourceError: the graph does not take one image.
        AmbiguousError: something must be said that cannot be inferred.
    """
    outputs = _outputs(frozen, request, shown)
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
        cut=cut_spec(frozen.cut) if frozen.cut else None,
    )


def fitting_labels(description: ModelDescription, labels: dict[int, str]) -> dict[int, str]:
    """Return the labels by the ids of an artifact, from 1.

    Args:
        description: of the model.
        labels: names by id, from 0 or 1 (`read_labels`).

    Raises:
        SourceError: the labels do not fit what the model gives.
    """
    numbered = numbered_from_one(labels, description.task)
    if description.task == IMAGE_CLASSIFICATION:
        _require_all_labels(class_count(description), numbered)
    return numbered


def class_count(description: ModelDescription) -> int | None:
    """Return how many scores a classifier gives; None for a detector, or if the graph decides."""
    scores = description.outputs.get("scores")
    return _classes(scores.shape) if scores else None


def _outputs(
    frozen: FrozenDetails, request: PackageRequest, shown: str | None
) -> dict[str, OutputSpec]:
    by_role = {spec.name.partition(":")[0]: spec for spec in frozen.outputs.values()}
    by_role |= frozen.outputs
    if all(role in by_role for role in DETECTION_OUTPUTS):
        return {role: _output(by_role[role]) for role in DETECTION_OUTPUTS}
    if len(frozen.outputs) != 1:
        raise AmbiguousError(
            f"outputs {', '.join(frozen.outputs)}: a detector has {', '.join(DETECTION_OUTPUTS)}, "
            "a classifier one; freeze again with --output (perhaps as ALIAS=TENSOR)"
        )
    (spec,) = frozen.outputs.values()
    sides = spec.shape or ()
    if len(sides) < _LEAST_SCORES_RANK or sides[0] not in (None, 1) or len(_wide(sides)) > 1:
        raise SourceError(
            f"a classifier gives [images, classes], the graph gives {spec}; {_NOT_TAKEN}"
        )
    if spec.dtype != "float32":
        raise SourceError(
            f"scores are float32, the graph gives {spec}: append a cast and freeze again; "
            f"{_NOT_TAKEN}"
        )
    return {"scores": _output(spec, _activation(spec, request.activation, shown))}


def _wide(sides: tuple[int | None, ...]) -> list[int | None]:
    """Return the sides besides the first that are not 1: scores may be [n, 1, 1, classes]."""
    return [side for side in sides[1:] if side != 1]


def _classes(sides: tuple[int | None, ...]) -> int | None:
    wide = _wide(sides)
    return wide[0] if wide else 1


def _activation(spec: TensorSpec, stated: str | None, shown: str | None) -> str:
    """Return the manifest's word for what the scores are.

    Args:
        spec: of the scores.
        stated: of `--activation`.
        shown: what the graph ends in.
    """
    given = _ACTIVATIONS.get(stated, stated) if stated else None
    if shown and given and given != shown:
        raise SourceError(
            f"{spec.name} is a {shown}, but --activation {stated} was given: omit the option"
        )
    activation = given or shown
    if activation is None:
        raise AmbiguousError(
            f"{spec.name} ends in neither a softmax nor a sigmoid: set --activation to softmax or "
            "sigmoid (probabilities), logits (before a softmax) or sigmoid-logits (before a "
            "sigmoid); values of a regression are not scores, and are not packaged: "
            f"{_NOT_TAKEN}"
        )
    if _classes(spec.shape or ()) == 1 and activation in {"softmax", "none"}:
        raise SourceError(
            f"{spec.name} gives one value, whose softmax is always 1: for a binary classifier, "
            "use --activation sigmoid-logits if the value is a logit, or sigmoid if it is a "
            "probability; values of a regression are not scores, and are not packaged: "
            f"{_NOT_TAKEN}"
        )
    return activation


def _output(spec: TensorSpec, activation: str | None = None) -> OutputSpec:
    return OutputSpec(spec.name, spec.dtype, spec.shape or (), activation)


def _require_all_labels(classes: int | None, labels: dict[int, str]) -> None:
    if classes is None or sorted(labels) == list(range(1, classes + 1)):
        return
    if classes == 1:
        # A binary classifier: the label of a high score, or those of a low and of a high one.
        if sorted(labels) == [1, 2]:
            return
        raise SourceError(
            f"the classifier gives one score, the labels have {len(labels)} ids from "
            f"{min(labels)} to {max(labels)}; it needs one label, or two: of a low score, then "
            "of a high one"
        )
    raise SourceError(
        f"the classifier gives {classes} scores, the labels have {len(labels)} ids "
        f"from {min(labels)} to {max(labels)}; output i needs the label with id i + 1"
    )


def _input(frozen: FrozenDetails, request: PackageRequest) -> InputSpec:
    if len(frozen.inputs) != 1:
        raise SourceError(
            f"a camera gives one image, the graph takes {', '.join(frozen.inputs)}: freeze again "
            "with --set NAME=VALUE for each input that is not an image"
        )
    (spec,) = frozen.inputs.values()
    sides = spec.shape or ()
    if len(sides) != _PICTURE_RANK or sides[0] not in (None, 1):
        raise SourceError(
            f"a camera gives one image at a time, [1, height, width, 3], the graph takes {spec}; "
            f"{_NOT_TAKEN}"
        )
    channels_first = sides[1] == _CHANNELS and sides[3] != _CHANNELS
    if not channels_first and sides[3] not in (None, _CHANNELS):
        raise SourceError(
            f"a camera gives images of 3 channels, the graph takes {spec}: put a layer in front "
            f"that makes its channels of 3, and freeze again; {_NOT_TAKEN}"
        )
    height_px, width_px = sides[2:] if channels_first else sides[1:3]
    if request.size_px is not None:
        width_px_wanted, height_px_wanted = request.size_px
        if height_px not in (None, height_px_wanted) or width_px not in (None, width_px_wanted):
            raise SourceError(
                f"--size {width_px_wanted}x{height_px_wanted}: the graph takes {spec}"
            )
        height_px, width_px = height_px_wanted, width_px_wanted
    if (height_px is None) != (width_px is None):
        raise AmbiguousError(f"the graph takes {spec}: say both sides with --size WIDTHxHEIGHT")
    mean, scale = _normalisation(spec, request)
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


def _normalisation(spec: TensorSpec, request: PackageRequest) -> tuple[Triple, Triple]:
    if spec.dtype == "uint8":
        if request.mean or request.scale:
            raise SourceError(
                f"{spec.name} takes uint8, which is not normalised: leave --mean and --scale out"
            )
        return _NO_CHANGE
    if spec.dtype != "float32":
        raise SourceError(
            f"a camera gives uint8 or float32, the graph takes {spec}: put a cast in front, and "
            f"freeze again; {_NOT_TAKEN}"
        )
    if request.mean is None or request.scale is None:
        raise AmbiguousError(
            f"{spec.name} takes float32: say how pictures are normalised, (value - mean) * scale "
            "of values 0 to 255; for -1 to 1: --mean 127.5 --scale 0.00784313725"
        )
    return request.mean, request.scale
