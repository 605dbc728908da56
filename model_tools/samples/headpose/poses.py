"""The nine poses, with the numbers of the guide's training script.

Each angle has one of three classes. The class borders divide the sine of the angle, which is the
projection of the head's direction, into thirds. The class of a pose is `pan * 3 + tilt`.

Source: resnet_headpose.py of AWS' DeepLens head-pose sample (Apache-2.0).
"""

import math

import numpy as np
import numpy.typing as npt

PANS = ("left", "ahead", "right")
TILTS = ("down", "level", "up")
LABELS = tuple(f"{pan} {tilt}" for pan in PANS for tilt in TILTS)

# The border between the classes of an angle, in units of 90 degrees, as in the data set of the
# guide.
BORDER = math.degrees(math.asin(1 / 3)) / 90
_BORDERS = (-BORDER, BORDER)


def pose_of(angles: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Return the pose classes of angles.

    Args:
        angles: [n, 2], tilt and pan of each image, from -1 to 1 in units of 90 degrees.

    Returns:
        int64 [n], indices into `LABELS`.
    """
    tilt, pan = (np.searchsorted(_BORDERS, angles[:, column]) for column in (0, 1))
    return (pan * len(TILTS) + tilt).astype(np.int64)


def mirrored(poses: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the poses, int64 [n], after a horizontal flip, which swaps left and right."""
    pan, tilt = np.divmod(poses, len(TILTS))
    return (len(PANS) - 1 - pan) * len(TILTS) + tilt
