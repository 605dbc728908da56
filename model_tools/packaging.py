"""From a frozen model to a description that cameras understand."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_tools.describe import ModelDescription
from model_tools.errors import AmbiguousError, SourceError
from model_tools.freezing.folder import FrozenDetails
from model_tools.labels import numbered_from_one
from model_tools.sources.tensors import TensorSpec
from vision.manifest import (
    DETECTION_OUTPUTS,
    IMAGE_CLASSIFICATION,
    OBJECT_DETECTION,
    InputSpec,
    OutputSpec,
    Triple,
    cut_spec,
)

_PICTURE_RANK, _SCORES_RANK, _CHANNELS = 4, 2, 3
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
    activation: str | None = None
    # What training reported, such as its data and its accuracy.
    training: dict[str, Any] | None = None


def read_training(file: Path) -> dict[str, Any]:
    """Return what training reported, a JSON object of at most 64 KiB.

    Raises:
        SourceError: the file cannot be read, or is something else.
    """
    try:
        if file.stat().st_size > _LARGEST_TRAINING_BYTES:
            raise SourceError(f"{file} is larger than {_LARGEST_TRAINING_BYTES} bytes")
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{file} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise SourceError(f'{file}: expected an object, such as {{"accuracy": 0.97}}')
    return document


def describe(frozen: FrozenDetails, request: PackageRequest, *, softmax: bool) -> ModelDescription:
    """Tell the task from the outputs, and write down the input as the graph takes it.

    Args:
        frozen: what `freeze` said of the graph.
        request: the rest.
        softmax: the graph's last op is a softmax.

    Raises:
        SourceError: the graph does not take one picture.
        AmbiguousError: something must be said that cannot be inferred.
    """
    outputs = _outputs(frozen, request, softmax=softmax)
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
        _require_all_labels(description.outputs["scores"], numbered)
    return numbered


def _outputs(
    frozen: FrozenDetails, request: PackageRequest, *, softmax: bool
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
    if spec.shape is None or len(spec.shape) != _SCORES_RANK:
        raise SourceError(f"a classifier gives [pictures, classes], {spec.name} is {spec}")
    activation = request.activation or ("softmax" if softmax else None)
    if activation is None:
        raise AmbiguousError(
            f"{spec.name} is no softmax: say what it is with --activation (none: logits)"
        )
    return {"scores": _output(spec, activation)}


def _output(spec: TensorSpec, activation: str | None = None) -> OutputSpec:
    return OutputSpec(spec.name, spec.dtype, spec.shape or (), activation)


def _require_all_labels(scores: OutputSpec, labels: dict[int, str]) -> None:
    classes = scores.shape[1]
    if classes is not None and sorted(labels) != list(range(1, classes + 1)):
        raise SourceError(
            f"the classifier gives {classes} scores, the labels have {len(labels)} ids "
            f"from {min(labels)} to {max(labels)}; output i needs the label with id i + 1"
        )


def _input(frozen: FrozenDetails, request: PackageRequest) -> InputSpec:
    if len(frozen.inputs) != 1:
        raise SourceError(f"a camera gives one picture; inputs: {', '.join(frozen.inputs)}")
    (spec,) = frozen.inputs.values()
    sides = spec.shape or ()
    if len(sides) != _PICTURE_RANK or sides[0] not in (None, 1):
        raise SourceError(f"a camera gives one picture at a time, the graph takes {spec}")
    channels_first = sides[1] == _CHANNELS and sides[3] != _CHANNELS
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
            raise SourceError(f"{spec.name} takes uint8: there is nothing to normalise")
        return _NO_CHANGE
    if spec.dtype != "float32":
        raise SourceError(f"a picture is uint8 or float32, the graph takes {spec}")
    if request.mean is None or request.scale is None:
        raise AmbiguousError(
            f"{spec.name} takes float32: say how pictures are normalised, (value - mean) * scale "
            "of values 0 to 255; for -1 to 1: --mean 127.5 --scale 0.00784313725"
        )
    return request.mean, request.scale
