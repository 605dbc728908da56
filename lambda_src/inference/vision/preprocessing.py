"""From a camera's picture to what the graph takes, by the manifest alone."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vision.manifest import InputSpec


def prepare(picture: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[Any]:
    """Resize (bilinear), order channels, and normalise where the graph takes floats.

    Args:
        picture: uint8 [height, width, 3], RGB, of any size.
        spec: the manifest's input.

    Returns:
        [1, spec.height_px, spec.width_px, 3] of the manifest's dtype.
    """
    size = (spec.width_px, spec.height_px)
    image = Image.fromarray(picture)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    if spec.channel_order == "BGR":
        pixels = pixels[..., ::-1]
    if spec.dtype == "float32":
        pixels = (pixels.astype(np.float32) - np.array(spec.mean, np.float32)) * np.float32(
            spec.scale
        )
    return np.ascontiguousarray(pixels[np.newaxis])
