"""Notices pictures that a camera gives although it sees nothing: truncated, black, frozen."""

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


class PictureWatch:
    """Looks at a few thousand pixels of each picture; `verdict` is `ok`, `black` or `frozen`."""

    def __init__(self, *, is_live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """`is_live`: a sensor's noise makes no two pictures the same; those of files may be."""
        self._is_live = is_live
        self._clock = clock
        self.verdict = "ok"
        self._last: int | None = None
        self._same_frames = 0
        self._same_since = clock()

    def look(self, image: npt.NDArray[np.uint8]) -> CameraError | None:
        """Return what is wrong with a picture that can be used nonetheless, if that is new.

        Raises:
            CameraError: the picture's lower part is missing.
        """
        if image.ndim != 3 or image.size == 0:  # noqa: PLR2004 - height, width and channels
            raise CameraError(f"the camera gave no picture, but an array of shape {image.shape}")
        height_px, width_px = image.shape[:2]
        step_y, step_x = (max(1, side // _SAMPLE_SIDE) for side in (height_px, width_px))
        sample = image[::step_y, ::step_x]
        if self._is_live and _is_truncated(sample):
            raise CameraError("the picture is truncated: its lower part is missing")
        verdict = self._judge(sample)
        if verdict == self.verdict:
            return None
        self.verdict = verdict
        if verdict == "black":
            return CameraError("the picture is black: is the lens covered, or the light off?")
        if verdict == "frozen":
            return CameraError(f"the picture has been the same for {_FROZEN_SECONDS:g} s")
        return None

    def _judge(self, sample: npt.NDArray[np.uint8]) -> str:
        now, seen = self._clock(), zlib.crc32(np.ascontiguousarray(sample).data)
        if seen != self._last:
            self._last, self._same_frames, self._same_since = seen, 0, now
        self._same_frames += 1
        # 99 of 100 pixels: a timestamp that the camera draws is no light.
        if np.percentile(sample, 99) < _BLACK:
            return "black"
        is_same = self._same_frames >= _FROZEN_FRAMES and now - self._same_since >= _FROZEN_SECONDS
        return "frozen" if self._is_live and is_same else "ok"


def _is_truncated(sample: npt.NDArray[np.uint8]) -> bool:
    """Whether the lower part is one grey, as decoders fill what they did not get.

    Source: libjpeg and FFmpeg leave coefficients that they lack at zero, which is mid-grey.
    """
    rows = max(1, round(len(sample) * _TRUNCATED_SHARE))
    lower, upper = sample[-rows:], sample[:-rows]
    is_grey = int(lower.max()) - int(lower.min()) <= 1 and 126 <= int(lower.min()) <= 130  # noqa: PLR2004 - mid-grey
    return bool(is_grey and len(upper) and int(upper.max()) - int(upper.min()) > 1)
