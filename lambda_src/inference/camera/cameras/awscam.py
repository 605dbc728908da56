"""The camera of an AWS DeepLens, through the device's own software."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from camera.errors import CameraError
from camera.frames import Frame


class DeepLensCamera:
    """The last frame of the project stream.

    Source: `awscam.getLastFrame() -> (ret, frame)`, frame uint8 [1520, 2688, 3], blue first; AWS
    DeepLens Developer Guide, "Device Library".
    """

    is_live = True
    is_stream = False

    def __init__(self) -> None:
        self._awscam: Any = None

    def capture(self) -> Frame:
        """Return the last frame.

        Raises:
            CameraError: this is no DeepLens, or its camera gives no frame.
        """
        if self._awscam is None:
            try:
                # Only a DeepLens has it. It must be imported before cv2, says its documentation.
                import awscam  # noqa: PLC0415 - see above
            except ImportError as error:
                raise CameraError(
                    f"awscam is not there ({error}); only an AWS DeepLens has this camera"
                ) from None
            self._awscam = awscam
        ok, blue_green_red = self._awscam.getLastFrame()
        if not ok or blue_green_red is None:
            raise CameraError("the DeepLens camera gave no frame")
        image = np.ascontiguousarray(blue_green_red[:, :, ::-1])
        return Frame(image, datetime.now(UTC), "awscam")

    def close(self) -> None:
        """Nothing is held open."""
