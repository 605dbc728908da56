"""Convert an image to the input of a graph, as the manifest describes it."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.artifact.manifest import InputSpec, Triple
from shared.vision.resizing import tf1_bilinear


def prepare(image: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[Any]:
    """Resize an image, order its channels, and normalize it if the graph has a float input.

    Args:
        image: uint8 [height, width, 3], RGB, of any size.
        spec: the input from the manifest.

    Returns:
        One image with the dtype, layout and size of the manifest.
    """
    pixels = _resized(image, spec)
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
    """Return an array, or a scalar if all values are equal, which NumPy processes faster."""
    first, second, third = values
    return np.float32(first) if first == second == third else np.array(values, np.float32)


def _resized(image: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[Any]:
    size = (spec.width_px, spec.height_px)
    if spec.width_px is None or spec.height_px is None or image.shape[1::-1] == size:
        return image
    if spec.resize == "tf1-bilinear":
        return tf1_bilinear(image, spec.height_px, spec.width_px)
    resized = Image.fromarray(image).resize(
        (spec.width_px, spec.height_px), Image.Resampling.BILINEAR
    )
    return np.asarray(resized)
