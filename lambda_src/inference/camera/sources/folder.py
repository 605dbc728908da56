"""A folder of pictures as a camera."""

from collections import deque
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from camera.errors import CameraError
from camera.frames import Frame

_PICTURES = (".bmp", ".jpeg", ".jpg", ".png")


class PictureFolderCamera:
    """Gives a folder's pictures in the order of their names, over and over.

    The folder is listed anew in each round, so pictures may come and go.
    """

    is_live = False
    is_stream = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: deque[Path] = deque()

    def capture(self) -> Frame:
        """Return the next picture.

        Raises:
            CameraError: names the folder that is missing or empty, or the file that is not a
                readable picture; the next call goes on with the next picture.
        """
        if not self._waiting:
            self._waiting.extend(self._list())
        file = self._waiting.popleft()
        try:
            with Image.open(file) as opened:
                image = np.array(opened.convert("RGB"))
        except Exception as error:
            # Pillow's decoders raise many kinds: OSError, SyntaxError, ValueError, struct.error …
            raise CameraError(f"{file.name!r} is not a readable picture: {error}") from error
        return Frame(image, datetime.now(UTC), file.name)

    def close(self) -> None:
        """Start from the first picture again."""
        self._waiting.clear()

    def _list(self) -> list[Path]:
        try:
            pictures = sorted(
                file
                for file in self._folder.iterdir()
                if file.suffix.lower() in _PICTURES and not file.name.startswith(".")
            )
        except OSError as error:
            raise CameraError(
                f"the folder {str(self._folder)!r} cannot be listed: {error.strerror}"
            ) from error
        if not pictures:
            raise CameraError(
                f"the folder {str(self._folder)!r} holds no picture ({', '.join(_PICTURES)})"
            )
        return pictures
