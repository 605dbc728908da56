"""Crops of uncertain detections, stored as small images on the device for labelling.

Crops are off by default, because images of people are private. The component's state directory
contains the crops, which are never published. The folder has a limit; the oldest crops are removed
first.
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

import numpy as np
import numpy.typing as npt
from PIL import Image

from camera.dynamic_settings import CurrentSettings, DynamicSettings
from camera.errors import CropError
from camera.frames import Frame
from shared.messages.heartbeat import CropCounts
from shared.vision.detections import Box, Detection

logger = logging.getLogger(__name__)

FOLDER = "crops"
# Consecutive frames show the same objects, so more crops add no information.
SAMPLE_SECONDS = 1.0
_MAX_CROPS_PER_FRAME = 4
_MAX_WAITING = 16
_WAIT_SECONDS = 0.5
_MARGIN_SHARE = 0.1
_JPEG_QUALITY = 90
# This amount of disk space remains free for messages.
_RESERVE_BYTES = 128 << 20
_MIB = 1 << 20
_NAME = re.compile(r"([0-9]{10})-[0-9TZ]+-[A-Za-z0-9_-]{1,40}-[01]\.[0-9][0-9]\.jpg")
_NOT_IN_A_NAME = re.compile("[^A-Za-z0-9-]")
_LONGEST_LABEL = 40


@dataclass(frozen=True)
class _Crop:
    pixels: npt.NDArray[np.uint8]
    # The file name: time, label and score.
    name: str


class CropWriter:
    """A writer of crops in a separate thread; any thread may call `reported`.

    `on_failure` is called if a crop cannot be written; frames are not affected.
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
        self._sampled_at = -SAMPLE_SECONDS
        self._waiting: queue.Queue[_Crop] = queue.Queue(_MAX_WAITING)
        self._stopping = threading.Event()
        self._counting = threading.Lock()
        self._files = self._bytes = self._skipped = 0

    def observe(self, frame: Frame, detections: Sequence[Detection], inference_ms: float) -> None:
        """Queue the crops of a frame, at most once per second, and return immediately."""
        del inference_ms
        now, scores = self._clock(), self._settings.current.crop_scores
        if not scores or now - self._sampled_at < SAMPLE_SECONDS:
            return
        low, high = scores
        uncertain = [detection for detection in detections if low <= detection.score < high][
            :_MAX_CROPS_PER_FRAME
        ]
        if uncertain:
            self._sampled_at = now
        for detection in uncertain:
            pixels = _crop(frame.image, detection.box)
            if pixels.size == 0:
                continue
            try:
                self._waiting.put_nowait(_Crop(pixels.copy(), _name(frame, detection)))
            except queue.Full:
                self._skip()

    def run(self) -> None:
        """Write crops until `stop` is called; report and skip failures."""
        while not self._stopping.is_set():
            try:
                self._write(self._waiting.get(timeout=_WAIT_SECONDS), self._settings.current)
            except queue.Empty:
                continue
            except (OSError, CropError) as error:
                self._skip()
                self.on_failure(CropError(f"crops cannot be stored in {self._folder}: {error}"))

    def stop(self) -> None:
        """Make `run` return; queued crops are discarded."""
        self._stopping.set()

    def reported(self) -> CropCounts | None:
        """Return the heartbeat's section `crops`; None if crops are off."""
        if not self._settings.current.crop_scores:
            return None
        with self._counting:
            return CropCounts(files=self._files, bytes=self._bytes, skipped=self._skipped)

    def _write(self, crop: _Crop, settings: DynamicSettings) -> None:
        """Write one crop atomically, and remove the oldest crops above the limit."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._free_bytes(self._folder) < _RESERVE_BYTES:
            raise CropError(f"less than {_RESERVE_BYTES // _MIB} MiB of the disk are free")
        crops = self._stored()
        number = int(crops[-1].name[:10]) + 1 if crops else 1
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
        self._enforce_limits([*crops, written], settings)

    def _stored(self) -> list[Path]:
        """Return the crops, oldest first; ignore other files."""
        return sorted(file for file in self._folder.iterdir() if _NAME.fullmatch(file.name))

    def _enforce_limits(self, crops: list[Path], settings: DynamicSettings) -> None:
        sizes = {file: file.stat().st_size for file in crops}
        total = sum(sizes.values())
        while crops and (len(crops) > settings.crop_files or total > settings.crop_mib * _MIB):
            oldest = crops.pop(0)
            oldest.unlink(missing_ok=True)
            total -= sizes[oldest]
        with self._counting:
            self._files, self._bytes = len(crops), total

    def _skip(self) -> None:
        with self._counting:
            self._skipped += 1


def _crop(image: npt.NDArray[np.uint8], box: Box | None) -> npt.NDArray[np.uint8]:
    """Return the pixels of a box with a margin; all pixels without a box."""
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


def _name(frame: Frame, detection: Detection) -> str:
    """Return a file name of time, label and score, without unsafe characters of the label."""
    moment = f"{frame.captured_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    label = _NOT_IN_A_NAME.sub("_", detection.label)[:_LONGEST_LABEL] or "_"
    return f"{moment}-{label}-{detection.score:.2f}"
