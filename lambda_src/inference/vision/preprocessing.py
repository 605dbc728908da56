"""From a camera's picture to what the graph takes, by the manifest alone."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vision.manifest import InputSpec


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
        pixels = (pixels.astype(np.float32) - np.array(spec.mean, np.float32)) * np.array(
            spec.scale, np.float32
        )
    if spec.layout == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[np.newaxis])


def _resized(picture: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[Any]:
    if spec.width_px is None or spec.height_px is None:
        return picture
    size = (spec.width_px, spec.height_px)
    image = Image.fromarray(picture)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image)
