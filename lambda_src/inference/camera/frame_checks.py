"""Checks for unusable frames: truncated, black or frozen."""

import time
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from camera.errors import CameraError

_SAMPLE_SIDE = 48
_BLACK = 12
_FROZEN_SECONDS = 10.0
_FROZEN_FRAMES = 10
_TRUNCATED_SHARE = 0.25


class FrameChecker:
    """A check of a few thousand pixels per frame; `status` is `ok`, `black` or `frozen`."""

    def __init__(self, *, is_live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """Report equal frames as frozen if `is_live`, because a sensor's noise always differs."""
        self._is_live = is_live
        self._clock = clock
        self.status = "ok"
        self._last: int | None = None
        self._same_frames = 0
        self._same_since = clock()

    def check(self, image: npt.NDArray[np.uint8]) -> CameraError | None:
        """Check a frame; if its status has changed to black or frozen, return the problem.

        Such a frame is still used.

        Raises:
            CameraError: the array has no three dimensions, or the frame's lower part is missing.
        """
        if image.ndim != 3 or image.size == 0:  # noqa: PLR2004 - height, width and channels
            raise CameraError(
                f"the camera returned an array of shape {image.shape}; expected [height, width, 3]"
            )
        height_px, width_px = image.shape[:2]
        step_y, step_x = (max(1, side // _SAMPLE_SIDE) for side in (height_px, width_px))
        sample = image[::step_y, ::step_x]
        if self._is_live and _is_truncated(sample):
            raise CameraError("the frame is truncated: its lower part is missing")
        status = self._status_of(sample)
        if status == self.status:
            return None
        self.status = status
        if status == "black":
            return CameraError("the frame is black: check the lens cover and the light")
        if status == "frozen":
            return CameraError(f"the frame has been the same for {_FROZEN_SECONDS:g} s")
        return None

    def _status_of(self, sample: npt.NDArray[np.uint8]) -> str:
        now, checksum = self._clock(), zlib.crc32(np.ascontiguousarray(sample).data)
        if checksum != self._last:
            self._last, self._same_frames, self._same_since = checksum, 0, now
        self._same_frames += 1
        # Cameras draw a bright timestamp into black frames, so one percent of the pixels may be
        # bright.
        if np.percentile(sample, 99) < _BLACK:
            return "black"
        is_same = self._same_frames >= _FROZEN_FRAMES and now - self._same_since >= _FROZEN_SECONDS
        return "frozen" if self._is_live and is_same else "ok"


def _is_truncated(sample: npt.NDArray[np.uint8]) -> bool:
    """Return true if the lower part is uniformly grey, the fill value of decoders.

    Source: libjpeg and FFmpeg set missing coefficients to zero, which is mid-grey.
    """
    rows = max(1, round(len(sample) * _TRUNCATED_SHARE))
    lower, upper = sample[-rows:], sample[:-rows]
    is_grey = int(lower.max()) - int(lower.min()) <= 1 and 126 <= int(lower.min()) <= 130  # noqa: PLR2004 - mid-grey
    return bool(is_grey and len(upper) and int(upper.max()) - int(upper.min()) > 1)
