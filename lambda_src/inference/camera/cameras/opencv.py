"""Cameras that OpenCV reads: video files, V4L2 devices and RTSP streams."""

import contextlib
import os
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from camera.errors import CameraError
from camera.frames import Frame
from shared.artifact.errors import SizeError
from shared.vision.images import ImageLimit

_TIMEOUT_MS = 8000


class _OpenCvCamera(ABC):
    """A camera that reads from one `cv2.VideoCapture`, which `capture` opens."""

    is_live = True
    is_stream = True

    def __init__(self, source: str, label: str, limit: ImageLimit | None = None) -> None:
        self._source = source
        self._limit = limit or ImageLimit()
        self._label = label
        self._opened: Any = None

    def capture(self) -> Frame:
        """Return the next frame.

        Raises:
            CameraError: the source cannot be opened or returns no frame; the next call opens it
                again.
        """
        if self._opened is None:
            self._opened = self._open()
        image = self._read()
        return Frame(image, datetime.now(UTC), self._label)

    def close(self) -> None:
        """Close the device, file or connection."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.release()

    def _read(self) -> npt.NDArray[np.uint8]:
        ok, blue_green_red = self._opened.read()
        if not ok or blue_green_red is None:
            self.close()
            raise CameraError(f"{self._label} returned no frame; it is opened again")
        return cast("npt.NDArray[np.uint8]", np.ascontiguousarray(blue_green_red[:, :, ::-1]))

    def _open(self) -> Any:
        cv2 = _opencv()
        if not self._is_usable():
            raise CameraError(f"{self._label} cannot be opened{self._hint()}")
        opened = self._capture_with(cv2)
        if not opened.isOpened():
            opened.release()
            raise CameraError(f"{self._label} cannot be opened{self._hint()}")
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        try:
            self._limit.check(*(int(opened.get(side)) for side in sides))
        except SizeError as error:
            opened.release()
            raise CameraError(f"{self._label} cannot be used: {error}") from None
        return opened

    def _is_usable(self) -> bool:
        """Return true if the source can be opened without blocking."""
        return True

    @abstractmethod
    def _capture_with(self, cv2: Any) -> Any:
        """Return an opened `cv2.VideoCapture`."""

    def _hint(self) -> str:
        return ""


class VideoFileCamera(_OpenCvCamera):
    """A video file as a camera; each call returns one frame, and the file is repeated."""

    is_live = False
    is_stream = False

    def __init__(self, file: Path, limit: ImageLimit | None = None) -> None:
        super().__init__(str(file), file.name, limit)

    def _is_usable(self) -> bool:
        # Opening a FIFO blocks until a process writes to it.
        return Path(self._source).is_file()

    def _capture_with(self, cv2: Any) -> Any:
        return cv2.VideoCapture(self._source, cv2.CAP_FFMPEG)

    def _read(self) -> npt.NDArray[np.uint8]:
        with contextlib.suppress(CameraError):
            return super()._read()
        # At the end of the file, the file is read again. A file without frames fails here.
        self._opened = self._open()
        return super()._read()

    def _hint(self) -> str:
        if not Path(self._source).exists():
            return "; the file does not exist"
        return (
            "; it is not a video that OpenCV can read"
            if self._is_usable()
            else "; it is not a regular file"
        )


class V4l2Camera(_OpenCvCamera):
    """A local camera, such as /dev/video0."""

    def __init__(self, device: Path, limit: ImageLimit | None = None) -> None:
        super().__init__(str(device), str(device), limit)

    def _capture_with(self, cv2: Any) -> Any:
        opened = cv2.VideoCapture(self._source, cv2.CAP_V4L2)
        # With a buffer of one frame instead of four, the next frame is the newest.
        opened.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return opened

    def _hint(self) -> str:
        if not Path(self._source).exists():
            return "; the device does not exist"
        if not os.access(self._source, os.R_OK | os.W_OK):
            return "; the component's user must be in the group video"
        return "; another program may use it"


class RtspCamera(_OpenCvCamera):
    """A network camera that uses RTSP over TCP."""

    def __init__(self, address: str, limit: ImageLimit | None = None) -> None:
        super().__init__(address, without_password(address), limit)

    def _capture_with(self, cv2: Any) -> Any:
        # FFmpeg in OpenCV has no other configuration than this variable. UDP loses parts of frames.
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
        timeouts = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            _TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            _TIMEOUT_MS,
        ]
        return cv2.VideoCapture(self._source, cv2.CAP_FFMPEG, timeouts)

    def _hint(self) -> str:
        return "; check its address, the user and the password"


def without_password(address: str) -> str:
    """Return an address without its password and query, for messages and logs."""
    scheme, _, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    # A query can contain a key.
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


def _opencv() -> Any:
    # OpenCV is imported only for these cameras, because it uses 30 MiB of memory.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    try:
        import cv2  # noqa: PLC0415 - see above
    except ImportError as error:
        raise CameraError(
            f"OpenCV is not installed ({error}); install opencv-python-headless for this camera"
        ) from None
    return cv2
