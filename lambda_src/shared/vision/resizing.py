"""TensorFlow 1's `resize_bilinear`, which the Object Detection API used for training."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt


def tf1_bilinear(
    image: npt.NDArray[np.uint8], height_px: int, width_px: int
) -> npt.NDArray[np.float32]:
    """Resize an image without aligned corners and without half-pixel centres.

    Args:
        image: uint8 [height, width, channels].
        height_px: height of the result.
        width_px: width of the result.

    Returns:
        float32 [height_px, width_px, channels], values 0 to 255, not rounded.
    """
    height, width, channels = image.shape
    top, bottom, down = _steps(height, height_px)
    left, right, across = _steps(width, width_px)
    # Columns are flat, because `np.take` is several times faster with single values than with
    # triples.
    each = np.arange(channels)
    left, right = ((side[:, np.newaxis] * channels + each).ravel() for side in (left, right))
    across = np.repeat(across, channels)
    flat = image.reshape(height, -1)

    def narrow(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        lines = np.take(flat, rows, axis=0)
        first = np.take(lines, left, axis=1).astype(np.float32)
        second = np.take(lines, right, axis=1).astype(np.float32)
        return _between(first, second, across)

    resized = _between(narrow(top), narrow(bottom), down[:, np.newaxis])
    return resized.reshape(height_px, width_px, channels)


def _between(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32], share: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return first + (second - first) * share, computed in the memory of `second`."""
    second -= first
    second *= share
    second += first
    return second


@lru_cache(maxsize=16)
def _steps(size_px: int, resized_px: int) -> tuple[Any, Any, Any]:
    """Return, per resized position, its two neighbours and the weight of the second neighbour."""
    scale = np.float32(size_px) / np.float32(resized_px)
    position = np.arange(resized_px, dtype=np.float32) * scale
    first = np.floor(position).astype(np.int64)
    second = np.minimum(first + 1, size_px - 1)
    return first, second, (position - first.astype(np.float32)).astype(np.float32)
