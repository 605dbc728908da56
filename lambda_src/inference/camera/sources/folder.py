"""A folder of pictures as a camera."""

import logging
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from camera.errors import CameraError
from camera.frames import Frame
from shared.artifact.errors import ImageError
from shared.vision.images import ImageLimit, read_rgb

logger = logging.getLogger(__name__)

_PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_MOST_NAMED = 3


class PictureFolderCamera:
    """Gives a folder's pictures in the order of their names, over and over.

    The folder is listed again in each round, so images may be added and removed. An entry that is
    not a regular file (a FIFO, a device, a folder) is skipped, and logged once.
    """

    is_live = False
    is_stream = False

    def __init__(self, folder: Path, limit: ImageLimit | None = None) -> None:
        self._folder = folder
        self._limit = limit or ImageLimit()
        self._skipped: list[str] = []
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
            image = read_rgb(file, self._limit)
        except ImageError as error:
            raise CameraError(f"{file.name!r} is not a readable picture: {error}") from error
        return Frame(image, datetime.now(UTC), file.name)

    def close(self) -> None:
        """Start from the first picture again."""
        self._waiting.clear()

    def _list(self) -> list[Path]:
        try:
            named = sorted(
                file
                for file in self._folder.iterdir()
                if file.suffix.lower() in _PICTURES and not file.name.startswith(".")
            )
            pictures = [file for file in named if file.is_file()]
        except OSError as error:
            raise CameraError(
                f"the folder {str(self._folder)!r} cannot be listed: {error.strerror}"
            ) from error
        self._report_skipped([file.name for file in named if file not in set(pictures)])
        if not pictures:
            raise CameraError(
                f"the folder {str(self._folder)!r} holds no picture ({', '.join(_PICTURES)})"
            )
        return pictures

    def _report_skipped(self, names: list[str]) -> None:
        if names and names != self._skipped:
            shown = ", ".join(map(repr, names[:_MOST_NAMED]))
            more = "" if len(names) <= _MOST_NAMED else f" and {len(names) - _MOST_NAMED} more"
            logger.warning("skipped, because they are not regular files: %s%s", shown, more)
        self._skipped = names
