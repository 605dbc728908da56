"""Pictures from files, as arrays."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from model_tools.errors import SourceError
from model_tools.sources.tensors import Arrays, TensorSpec
from shared.artifact.errors import ImageError
from shared.printable import printable
from shared.vision.images import ImageLimit, open_image

_LIMIT_VARIABLE = "MODEL_TOOLS_MEGAPIXELS"
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_PICTURE_RANK = 4
_CHANNELS = 3


def picture_files(paths: tuple[Path, ...]) -> list[Path]:
    """Return the pictures that are named, and those in folders that are named, by name.

    Raises:
        SourceError: a path is not there, or holds no picture.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.glob("*") if file.suffix.lower() in _SUFFIXES)
        if path.is_dir() and not inside:
            raise SourceError(f"{path} has no picture ({', '.join(sorted(_SUFFIXES))})")
        if not path.exists():
            raise SourceError(f"{path}: there is no such picture")
        found += inside if path.is_dir() else [path]
    return found


def image_limit() -> ImageLimit:
    """Return the limit of images' sizes, which MODEL_TOOLS_MEGAPIXELS changes.

    Raises:
        SourceError: the variable has a value that is not valid.
    """
    given = os.environ.get(_LIMIT_VARIABLE, "")
    try:
        return ImageLimit.from_text(given, _LIMIT_VARIABLE)
    except ValueError as error:
        raise SourceError(f"{_LIMIT_VARIABLE}: expected {error}; got {given[:40]!r}") from None


def opened_picture(file: Path) -> Image.Image:
    """Return an image from a file, decoded.

    Raises:
        SourceError: it is not an image of a supported format, damaged, or too large.
    """
    try:
        return open_image(file, image_limit())
    except ImageError as error:
        raise SourceError(f"{printable(str(file))} is not a readable image: {error}") from None


def read_picture(file: Path) -> npt.NDArray[np.uint8]:
    """Return an image as uint8 [height, width, 3], RGB.

    Raises:
        SourceError: as `opened_picture`.
    """
    return np.asarray(opened_picture(file).convert("RGB"))


def picture_samples(
    pictures: list[npt.NDArray[np.uint8]], inputs: dict[str, TensorSpec]
) -> tuple[Arrays, ...]:
    """Return pictures as what a graph's one input takes, for comparisons: sizes and types fit.

    Floats are scaled to [-1, 1]: it matters only that both sides see the same.

    Raises:
        SourceError: the model does not take one picture.
    """
    takes_pictures = {alias: spec for alias, spec in inputs.items() if _is_picture(spec)}
    if len(inputs) != 1 or not takes_pictures:
        raise SourceError(
            "the model does not take one picture: "
            + "; ".join(f"{alias} = {spec}" for alias, spec in inputs.items())
        )
    ((alias, spec),) = takes_pictures.items()
    return tuple({alias: _fitted(picture, spec)} for picture in pictures)


def _is_picture(spec: TensorSpec) -> bool:
    sides = spec.shape or ()
    return len(sides) == _PICTURE_RANK and sides[-1] in (None, _CHANNELS)


def _fitted(picture: npt.NDArray[np.uint8], spec: TensorSpec) -> npt.NDArray[Any]:
    height_px, width_px = (spec.shape or ())[1:3]
    image = Image.fromarray(picture)
    size = (width_px or image.width, height_px or image.height)
    pixels = np.asarray(image.resize(size, Image.Resampling.BILINEAR))[np.newaxis]
    if np.dtype(spec.dtype).kind == "f":
        return (pixels.astype(np.float32) / 127.5 - 1).astype(spec.dtype)
    return pixels.astype(spec.dtype)
