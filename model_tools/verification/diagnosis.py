"""Diagnose a model: an engine that cannot run it, or preprocessing that differs from training.

If the preprocessing differs from training, a valid graph returns wrong detections without an error.
The usual mistakes are tried one after another.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from model_tools.errors import IsolationError
from model_tools.sandbox import Limits, isolated
from shared.artifact.archive import Artifact
from shared.artifact.errors import ArtifactError, ScoresError
from shared.artifact.manifest import InputSpec, Manifest
from shared.vision.engine import open_engine
from shared.vision.graph_loader import OPENVINO

# (mean, scale) by usual name, for values from 0 to 255.
_NORMALISATIONS = {
    "0 to 1 (scale 1/255)": ((0.0,) * 3, (1 / 255,) * 3),
    "-1 to 1 (mean 127.5, scale 1/127.5)": ((127.5,) * 3, (1 / 127.5,) * 3),
    "0 to 255 unchanged (mean 0, scale 1)": ((0.0,) * 3, (1.0,) * 3),
    "ImageNet's mean, RGB (Caffe)": ((123.68, 116.779, 103.939), (1.0,) * 3),
    "ImageNet's mean, BGR (Caffe)": ((103.939, 116.779, 123.68), (1.0,) * 3),
    "ImageNet's mean and deviation (PyTorch)": (
        (123.675, 116.28, 103.53),
        (1 / 58.395, 1 / 57.12, 1 / 57.375),
    ),
}
_CLEARLY_BETTER = 0.05


def alternatives(spec: InputSpec) -> Iterator[tuple[str, InputSpec]]:
    """Yield other preprocessing specs with descriptions, simple changes first."""
    order = "BGR" if spec.channel_order == "RGB" else "RGB"
    resize = "tf1-bilinear" if spec.resize == "bilinear" else "bilinear"
    swapped = replace(spec, channel_order=order)
    yield f"channel order: {order} instead of {spec.channel_order}", swapped
    if spec.width_px is not None:
        yield f"resize: {resize} instead of {spec.resize}", replace(spec, resize=resize)
    if spec.dtype != "float32":
        return
    for title, (mean, scale) in _NORMALISATIONS.items():
        if (mean, scale) != (spec.mean, spec.scale):
            yield f"scale and mean: {title}", replace(spec, mean=mean, scale=scale)
    for title, (mean, scale) in _NORMALISATIONS.items():
        yield (
            f"scale and mean: {title}; channel order: {order} instead of {spec.channel_order}",
            replace(swapped, mean=mean, scale=scale),
        )


def diagnose(
    spec: InputSpec, share_now: float, share_with: Callable[[InputSpec], float]
) -> str | None:
    """Return the change with the best agreement, or None if no change is clearly better.

    Args:
        spec: the input spec of the manifest.
        share_now: the agreement with `spec`, from 0 to 1.
        share_with: a function that measures the agreement with another spec, from 0 to 1.
    """
    best, best_share = None, share_now + _CLEARLY_BETTER
    for title, changed in alternatives(spec):
        share = share_with(changed)
        if share > best_share:
            best, best_share = f"{title} (agreement {share:.0%} instead of {share_now:.0%})", share
    return best


def openvino_error(
    folder: Path, manifest: Manifest, labels: dict[int, str], limits: Limits | None = None
) -> str | None:
    """Return the reason why OpenVINO cannot run a model, or None if it can.

    A limited process loads the model and runs it on a black image.

    Args:
        folder: the folder with the checked files of the manifest.
        manifest: the model's manifest.
        labels: names by id, from 1.
        limits: limits of the process.

    Raises:
        ScoresError: the model runs, and its scores contradict the manifest.
    """
    limits = limits or Limits.for_files(folder)
    try:
        return isolated(_load_error, Artifact("", manifest, labels, folder), limits=limits)
    except IsolationError as error:
        return f"OpenVINO cannot load the model: {error}"


def _load_error(artifact: Artifact) -> str | None:
    try:
        open_engine(OPENVINO, artifact)
    except ScoresError:
        raise
    except ArtifactError as error:
        return str(error)
    return None
