"""The camera of an AWS DeepLens, through the software of the device."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from camera.errors import CameraError
from camera.frames import Frame


class AwscamCamera:
    """A camera that returns the last frame of the project stream.

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
            CameraError: the machine is not an AWS DeepLens, or its camera returns no frame.
        """
        if self._awscam is None:
            try:
                # Only a DeepLens has this module. Its documentation requires the import before cv2.
                import awscam  # noqa: PLC0415 - see above
            except ImportError as error:
                raise CameraError(
                    f"awscam is not installed ({error}); only an AWS DeepLens has this camera"
                ) from None
            self._awscam = awscam
        ok, blue_green_red = self._awscam.getLastFrame()
        if not ok or blue_green_red is None:
            raise CameraError("the DeepLens camera returned no frame")
        image = np.ascontiguousarray(blue_green_red[:, :, ::-1])
        return Frame(image, datetime.now(UTC), "awscam")

    def close(self) -> None:
        """Do nothing: there is no connection to close."""
