"""Read images from files, convert them to samples, and annotate them with detections."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from model_tools.errors import SourceError
from model_tools.formats.tensors import Arrays, TensorSpec
from shared.artifact.errors import ImageError
from shared.printable import printable
from shared.vision.images import ImageLimit, open_image

# An image: uint8 [height, width, 3], RGB.
ImageArray = npt.NDArray[np.uint8]

_LIMIT_VARIABLE = "MODEL_TOOLS_MEGAPIXELS"
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_IMAGE_RANK = 4
_CHANNELS = 3
_GOLDEN_ANGLE_DEGREES = 137.508
_OUTLINE_PX = 2
_LINE_PX = 3


def image_files(paths: tuple[Path, ...]) -> list[Path]:
    """Return the given files, and the images of the given folders, sorted by name in each folder.

    Raises:
        SourceError: a path does not exist, or a folder contains no image.
    """
    files: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.glob("*") if file.suffix.lower() in _SUFFIXES)
        if path.is_dir() and not inside:
            raise SourceError(f"{path} contains no image ({', '.join(sorted(_SUFFIXES))})")
        if not path.exists():
            raise SourceError(f"{path}: no such image")
        files += inside if path.is_dir() else [path]
    return files


def image_limit() -> ImageLimit:
    """Return the size limit of images, from MODEL_TOOLS_MEGAPIXELS or the default.

    Raises:
        SourceError: the value of the variable is not valid.
    """
    given = os.environ.get(_LIMIT_VARIABLE, "")
    try:
        return ImageLimit.from_text(given, _LIMIT_VARIABLE)
    except ValueError as error:
        raise SourceError(f"{_LIMIT_VARIABLE}: expected {error}; got {given[:40]!r}") from None


def open_image_file(file: Path) -> Image.Image:
    """Return a decoded image from a file.

    Raises:
        SourceError: the file is not an image of a supported format, is damaged, or is too large.
    """
    try:
        return open_image(file, image_limit())
    except ImageError as error:
        raise SourceError(f"{printable(str(file))} is not a readable image: {error}") from None


def read_image(file: Path) -> ImageArray:
    """Return an image as uint8 [height, width, 3], RGB.

    Raises:
        SourceError: see `open_image_file`.
    """
    return np.asarray(open_image_file(file).convert("RGB"))


def image_samples(images: list[ImageArray], inputs: dict[str, TensorSpec]) -> tuple[Arrays, ...]:
    """Return one sample for each image, for a model whose only input is an image.

    The samples serve to compare two models. The image is resized to the input and has its dtype.
    Floats are scaled to [-1, 1] even if the training used another range, because both models
    receive the same values.

    Raises:
        SourceError: the model does not take one image.
    """
    image_inputs = {alias: spec for alias, spec in inputs.items() if _is_image(spec)}
    if len(inputs) != 1 or not image_inputs:
        raise SourceError(
            "the model does not take one image: "
            + "; ".join(f"{alias} = {spec}" for alias, spec in inputs.items())
        )
    ((alias, spec),) = image_inputs.items()
    return tuple({alias: _resized(image, spec)} for image in images)


def draw_detections(
    image: Image.Image, detections: Iterable[dict[str, Any]], labels: Sequence[str] = ()
) -> Image.Image:
    """Return a copy of an image with the box, label and score of each detection.

    Detections have the form of a detection message. A classifier's best label is in the corner.
    The index of a label in `labels` determines its color. Without `labels`, the order of the labels
    in this image determines the colors.
    """
    detections = list(detections)
    detected_labels = sorted({detection["label"] for detection in detections})
    all_labels = list(dict.fromkeys([*labels, *detected_labels]))
    annotated = image.convert("RGB")
    canvas = ImageDraw.Draw(annotated)
    # The best detection is drawn last, because later boxes cover earlier boxes.
    for detection in reversed(detections):
        box = detection["box"]
        if box is None:
            _write(canvas, (4, 4), detection, "#ffffff")
            continue
        left, right = box["xmin"] * image.width, box["xmax"] * image.width
        top, bottom = box["ymin"] * image.height, box["ymax"] * image.height
        color = _color(all_labels.index(detection["label"]))
        # The dark outline keeps a box visible on an image of the same color.
        outer = (left - _OUTLINE_PX, top - _OUTLINE_PX, right + _OUTLINE_PX, bottom + _OUTLINE_PX)
        canvas.rectangle(outer, outline="black", width=_LINE_PX + 2 * _OUTLINE_PX)
        canvas.rectangle((left, top, right, bottom), outline=color, width=_LINE_PX)
        _write(canvas, (left, max(top - 18, 0)), detection, color)
    return annotated


def _is_image(spec: TensorSpec) -> bool:
    sides = spec.shape or ()
    return len(sides) == _IMAGE_RANK and sides[-1] in (None, _CHANNELS)


def _resized(image: ImageArray, spec: TensorSpec) -> npt.NDArray[Any]:
    height_px, width_px = (spec.shape or ())[1:3]
    original = Image.fromarray(image)
    size_px = (width_px or original.width, height_px or original.height)
    pixels = np.asarray(original.resize(size_px, Image.Resampling.BILINEAR))[np.newaxis]
    if np.dtype(spec.dtype).kind == "f":
        return (pixels.astype(np.float32) / 127.5 - 1).astype(spec.dtype)
    return pixels.astype(spec.dtype)


def _color(index: int) -> str:
    """Return a color whose hue differs clearly from the hues of neighboring indexes."""
    return f"hsl({index * _GOLDEN_ANGLE_DEGREES % 360:.1f}, 80%, 72%)"


def _write(
    canvas: ImageDraw.ImageDraw,
    position: tuple[float, float],
    detection: dict[str, Any],
    color: str,
) -> None:
    text = f"{detection['label']} {detection['score']:.2f}"
    canvas.rectangle(canvas.textbbox(position, text, font_size=14), fill="black")
    canvas.text(position, text, fill=color, font_size=14)
