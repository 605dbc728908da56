"""Where pictures come from."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from camera.errors import CaptureError, SettingsError

_PICTURES = {".png", ".jpg", ".jpeg", ".bmp"}


@dataclass(frozen=True)
class Frame:
    """One picture: uint8 [height, width, 3], RGB; when and from where."""

    picture: npt.NDArray[np.uint8]
    captured_at: datetime
    source: str


class Camera(Protocol):
    """Gives pictures."""

    def capture(self) -> Frame:
        """Return the next picture; raise `CaptureError` when there is none this time."""
        ...


class PictureFolderCamera:
    """A folder of pictures as a camera: in the order of their names, over and over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[Path] = []

    def capture(self) -> Frame:
        """Return the next picture; an unreadable one is reported once per round."""
        if not self._waiting:
            self._waiting = self._list()
        file = self._waiting.pop(0)
        try:
            with Image.open(file) as image:
                picture = np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise CaptureError(f"{file.name}: not a readable picture: {error}") from None
        return Frame(picture, datetime.now(UTC), file.name)

    def _list(self) -> list[Path]:
        try:
            files = sorted(
                file for file in self._folder.iterdir() if file.suffix.lower() in _PICTURES
            )
        except OSError as error:
            raise CaptureError(f"{self._folder}: cannot be listed: {error.strerror}") from None
        if not files:
            raise CaptureError(f"{self._folder}: holds no picture ({', '.join(sorted(_PICTURES))})")
        return files


def camera_from(setting: str) -> Camera:
    """Return the camera that a setting names; raise `SettingsError` for an unknown kind."""
    kind, _, where = setting.partition(":")
    if kind != "folder" or not where:
        raise SettingsError(
            f"DEEPLENS_CAMERA: given {setting!r}, expected 'folder:' and a path, "
            "for example 'folder:camera'"
        )
    return PictureFolderCamera(Path(where))
