"""A folder of images as a camera."""

import logging
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from camera.errors import CameraError
from camera.frames import Frame
from shared.artifact.errors import ImageError
from shared.vision.images import ImageLimit, read_rgb

logger = logging.getLogger(__name__)

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_MAX_NAMES = 3


class ImageFolderCamera:
    """A camera that returns the images of a folder in the order of their names, repeatedly.

    The folder is listed again in each cycle, so images may be added and removed. An entry that is
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
        """Return the next image.

        Raises:
            CameraError: the folder is missing or empty, or the file is not a readable image; the
                next call continues with the next image.
        """
        if not self._waiting:
            self._waiting.extend(self._list())
        file = self._waiting.popleft()
        try:
            image = read_rgb(file, self._limit)
        except ImageError as error:
            raise CameraError(f"{file.name!r} is not a readable image: {error}") from error
        return Frame(image, datetime.now(UTC), file.name)

    def close(self) -> None:
        """Restart with the first image."""
        self._waiting.clear()

    def _list(self) -> list[Path]:
        try:
            listed = sorted(
                file
                for file in self._folder.iterdir()
                if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")
            )
            images = [file for file in listed if file.is_file()]
        except OSError as error:
            raise CameraError(
                f"the folder {str(self._folder)!r} cannot be listed: {error.strerror}"
            ) from error
        self._report_skipped([file.name for file in listed if file not in set(images)])
        if not images:
            raise CameraError(
                f"the folder {str(self._folder)!r} contains no image ({', '.join(_SUFFIXES)})"
            )
        return images

    def _report_skipped(self, names: list[str]) -> None:
        if names and names != self._skipped:
            text = ", ".join(map(repr, names[:_MAX_NAMES]))
            more = "" if len(names) <= _MAX_NAMES else f" and {len(names) - _MAX_NAMES} more"
            logger.warning("skipped, because they are not regular files: %s%s", text, more)
        self._skipped = names
