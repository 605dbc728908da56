"""Where pictures come from."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from camera.errors import CameraError, SettingsError
from camera.settings import Settings

_PICTURES = (".bmp", ".jpeg", ".jpg", ".png")


@dataclass(frozen=True)
class Frame:
    """One picture: uint8 [height, width, 3], RGB; when it was captured (UTC), and from where."""

    image: npt.NDArray[np.uint8]
    captured_at: datetime
    source: str


class Camera(Protocol):
    """Gives pictures."""

    def capture(self) -> Frame:
        """Return the next picture; raise `CameraError` when there is none this time."""
        ...


class PictureFolderCamera:
    """A folder of pictures as a camera: in the order of their names, over and over.

    The folder is listed anew in each round, so pictures may come and go.
    """

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


def camera_from(settings: Settings) -> Camera:
    """Return the camera that the settings name; raise `SettingsError` for an unknown kind."""
    kind, _, where = settings.camera.partition(":")
    if kind != "folder" or not where.strip() or "\0" in where:
        raise SettingsError(
            f"DEEPLENS_CAMERA: given {settings.camera!r}, expected 'folder:' and a path, "
            "for example 'folder:camera'"
        )
    return PictureFolderCamera(Path(where))
