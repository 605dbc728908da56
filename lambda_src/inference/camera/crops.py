"""Keeps what the model was not sure of, as small pictures on the device, for whoever labels them.

Off unless a setting asks for it: pictures of people are private. They stay in the component's
state directory and are never published. The folder is bounded; the oldest go first.
"""

import logging
import os
import queue
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from camera.errors import CropError
from camera.frames import Frame
from camera.live_settings import CurrentSettings, LiveSettings
from shared.vision.detections import Box, Detection

logger = logging.getLogger(__name__)

FOLDER = "crops"
# Frames that follow each other closely show the same thing.
LOOK_SECONDS = 1.0
_MOST_OF_A_FRAME = 4
_MOST_WAITING = 16
_WAIT_SECONDS = 0.5
_MARGIN_SHARE = 0.1
_JPEG_QUALITY = 90
# The disk is there for messages first.
_RESERVE_BYTES = 128 << 20
_MIB = 1 << 20
_NAME = re.compile(r"([0-9]{10})-[0-9TZ]+-[A-Za-z0-9_-]{1,40}-[01]\.[0-9][0-9]\.jpg")
_NOT_IN_A_NAME = re.compile("[^A-Za-z0-9-]")
_LONGEST_LABEL = 40


@dataclass(frozen=True)
class _Crop:
    pixels: npt.NDArray[np.uint8]
    # Time, label and score, as a file's name has them.
    name: str


class Crops:
    """Sees frames, and in a thread of its own writes crops; any thread may ask for the report.

    `on_failure` is called when crops cannot be written; frames go on.
    """

    def __init__(
        self,
        state_directory: Path,
        settings: CurrentSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._folder = state_directory / FOLDER
        self._settings = settings
        self._clock = clock
        self._free_bytes = free_bytes
        self.on_failure: Callable[[Exception], None] = lambda _: None
        self._looked_at = -LOOK_SECONDS
        self._waiting: queue.Queue[_Crop] = queue.Queue(_MOST_WAITING)
        self._stopping = threading.Event()
        self._counting = threading.Lock()
        self._files = self._bytes = self._skipped = 0

    def see(self, frame: Frame, found: Sequence[Detection], inference_ms: float) -> None:
        """Take what is uncertain of a frame, at most once a second; return at once."""
        del inference_ms
        now, scores = self._clock(), self._settings.now.crop_scores
        if not scores or now - self._looked_at < LOOK_SECONDS:
            return
        low, high = scores
        uncertain = [one for one in found if low <= one.score < high][:_MOST_OF_A_FRAME]
        if uncertain:
            self._looked_at = now
        for one in uncertain:
            pixels = _inside(frame.image, one.box)
            if pixels.size == 0:
                continue
            try:
                self._waiting.put_nowait(_Crop(pixels.copy(), _described(frame, one)))
            except queue.Full:
                self._skip()

    def run(self) -> None:
        """Write until `stop`; what fails is reported and skipped."""
        while not self._stopping.is_set():
            try:
                self._keep(self._waiting.get(timeout=_WAIT_SECONDS), self._settings.now)
            except queue.Empty:
                continue
            except (OSError, CropError) as error:
                self._skip()
                self.on_failure(CropError(f"crops cannot be kept in {self._folder}: {error}"))

    def stop(self) -> None:
        """Make `run` return; crops that wait are given up."""
        self._stopping.set()

    def reported(self) -> dict[str, Any] | None:
        """Return how much is kept, as the heartbeat has it; None where nothing shall be."""
        if not self._settings.now.crop_scores:
            return None
        with self._counting:
            return {"files": self._files, "bytes": self._bytes, "skipped": self._skipped}

    def _keep(self, crop: _Crop, settings: LiveSettings) -> None:
        """Write one crop, whole or not at all, and remove the oldest that are too many."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._free_bytes(self._folder) < _RESERVE_BYTES:
            raise CropError(f"less than {_RESERVE_BYTES // _MIB} MiB of the disk are free")
        kept = self._kept()
        number = int(kept[-1].name[:10]) + 1 if kept else 1
        partial = self._folder / "partial"
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                Image.fromarray(crop.pixels).save(file, "JPEG", quality=_JPEG_QUALITY)
            written = self._folder / f"{number:010}-{crop.name}.jpg"
            partial.rename(written)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        self._bound([*kept, written], settings)

    def _kept(self) -> list[Path]:
        """Return the crops, oldest first; other files are somebody else's."""
        return sorted(file for file in self._folder.iterdir() if _NAME.fullmatch(file.name))

    def _bound(self, kept: list[Path], settings: LiveSettings) -> None:
        sizes = {file: file.stat().st_size for file in kept}
        total = sum(sizes.values())
        while kept and (len(kept) > settings.crop_files or total > settings.crop_mib * _MIB):
            oldest = kept.pop(0)
            oldest.unlink(missing_ok=True)
            total -= sizes[oldest]
        with self._counting:
            self._files, self._bytes = len(kept), total

    def _skip(self) -> None:
        with self._counting:
            self._skipped += 1


def _inside(image: npt.NDArray[np.uint8], box: Box | None) -> npt.NDArray[np.uint8]:
    """Return the pixels in a box and a margin around it; a classifier's answer is all of them."""
    if box is None:
        return image
    height_px, width_px = image.shape[:2]
    margin_y, margin_x = (
        (box.ymax - box.ymin) * _MARGIN_SHARE,
        (box.xmax - box.xmin) * _MARGIN_SHARE,
    )
    top, bottom = (_edge(side, height_px) for side in (box.ymin - margin_y, box.ymax + margin_y))
    left, right = (_edge(side, width_px) for side in (box.xmin - margin_x, box.xmax + margin_x))
    return image[top:bottom, left:right]


def _edge(share: float, side_px: int) -> int:
    return round(min(max(share, 0.0), 1.0) * side_px)


def _described(frame: Frame, one: Detection) -> str:
    """Return time, label and score; the label is a model's word and becomes harmless."""
    moment = f"{frame.captured_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    label = _NOT_IN_A_NAME.sub("_", one.label)[:_LONGEST_LABEL] or "_"
    return f"{moment}-{label}-{one.score:.2f}"
