"""TensorFlow 1's `resize_bilinear`, as detectors of its Object Detection API were trained with."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt


def tf1_bilinear(
    picture: npt.NDArray[np.uint8], height_px: int, width_px: int
) -> npt.NDArray[np.float32]:
    """Resize with neither aligned corners nor half-pixel centres.

    Args:
        picture: uint8 [height, width, channels].
        height_px: wanted.
        width_px: wanted.

    Returns:
        float32 [height_px, width_px, channels], values 0 to 255, not rounded.
    """
    top, bottom, down = _steps(picture.shape[0], height_px)
    left, right, across = _steps(picture.shape[1], width_px)
    across = across[:, np.newaxis]
    rows = np.unique(np.concatenate([top, bottom]))
    # Each row of the picture that counts is made narrow once.
    lines = picture[rows]
    narrow_left = lines[:, left].astype(np.float32)
    narrow = narrow_left + (lines[:, right].astype(np.float32) - narrow_left) * across
    upper = narrow[np.searchsorted(rows, top)]
    lower = narrow[np.searchsorted(rows, bottom)]
    return np.asarray(upper + (lower - upper) * down[:, np.newaxis, np.newaxis])


@lru_cache(maxsize=16)
def _steps(given: int, wanted: int) -> tuple[Any, Any, Any]:
    """Return, per wanted position, its two neighbours and how far it is to the second."""
    scale = np.float32(given) / np.float32(wanted)
    position = np.arange(wanted, dtype=np.float32) * scale
    first = np.floor(position).astype(np.int64)
    second = np.minimum(first + 1, given - 1)
    return first, second, (position - first.astype(np.float32)).astype(np.float32)
