"""Which pre-processing would make a model right: the usual suspects, tried one after another.

A graph that is fine answers nonsense if pictures reach it in another way than in training; the
answer rarely says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from shared.artifact.manifest import InputSpec

# (mean, scale) of values 0 to 255, and who prepares pictures so.
_NORMALISATIONS = {
    "0 to 1 (scale 1/255)": ((0.0,) * 3, (1 / 255,) * 3),
    "-1 to 1 (mean 127.5, scale 1/127.5)": ((127.5,) * 3, (1 / 127.5,) * 3),
    "0 to 255 as they are (mean 0, scale 1)": ((0.0,) * 3, (1.0,) * 3),
    "ImageNet's mean, RGB (Caffe)": ((123.68, 116.779, 103.939), (1.0,) * 3),
    "ImageNet's mean, BGR (Caffe)": ((103.939, 116.779, 123.68), (1.0,) * 3),
    "ImageNet's mean and deviation (PyTorch)": (
        (123.675, 116.28, 103.53),
        (1 / 58.395, 1 / 57.12, 1 / 57.375),
    ),
}
_CLEARLY_BETTER = 0.05


def suspects(spec: InputSpec) -> Iterator[tuple[str, InputSpec]]:
    """Yield other ways to prepare a picture, simple ones first, each with its description."""
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
    """Return what restores agreement best, or nothing if no suspect does clearly better.

    Args:
        spec: as the manifest has it.
        share_now: agreement with it, 0 to 1.
        share_with: measures agreement with another.
    """
    best, most = None, share_now + _CLEARLY_BETTER
    for title, changed in suspects(spec):
        share = share_with(changed)
        if share > most:
            best, most = f"{title} (agreement {share:.0%} instead of {share_now:.0%})", share
    return best
