"""From a camera's picture to what the graph takes, by the manifest alone."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.artifact.manifest import InputSpec, Triple
from shared.vision.resizing import tf1_bilinear


def prepare(picture: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[Any]:
    """Resize, order channels, and normalise where the graph takes floats.

    Args:
        picture: uint8 [height, width, 3], RGB, of any size.
        spec: the manifest's input.

    Returns:
        One picture of the manifest's dtype, layout and size.
    """
    pixels = _resized(picture, spec)
    if spec.channel_order == "BGR":
        pixels = pixels[..., ::-1]
    if spec.dtype == "float32":
        pixels = pixels.astype(np.float32)
        pixels -= _per_channel(spec.mean)
        pixels *= _per_channel(spec.scale)
    elif pixels.dtype != np.uint8:
        pixels = np.rint(pixels).astype(np.uint8)
    if spec.layout == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[np.newaxis])


def _per_channel(values: Triple) -> npt.NDArray[np.float32] | np.float32:
    """One number where all channels have the same: NumPy is several times faster with it."""
    first, second, third = values
    return np.float32(first) if first == second == third else np.array(values, np.float32)


def _resized(picture: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[Any]:
    size = (spec.width_px, spec.height_px)
    if spec.width_px is None or spec.height_px is None or picture.shape[1::-1] == size:
        return picture
    if spec.resize == "tf1-bilinear":
        return tf1_bilinear(picture, spec.height_px, spec.width_px)
    image = Image.fromarray(picture)
    return np.asarray(image.resize((spec.width_px, spec.height_px), Image.Resampling.BILINEAR))
