"""Notices when what a camera sees is no longer what its model was verified on.

Frames are put into the bins of the artifact's baseline, and the newest count most: each frame that
is looked at takes the same share of those before. So the memory is constant, and old frames are
forgotten. `shared.artifact.baseline` says what is measured, and what a distance is.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from camera.frames import Frame
from camera.live_settings import CurrentSettings
from shared.artifact.baseline import (
    FEATURES,
    Baseline,
    Values,
    brightness_and_sharpness,
    distance,
)
from shared.vision.detections import Detection

logger = logging.getLogger(__name__)

# Frames that follow each other closely say the same; to look at all of them only costs.
LOOK_SECONDS = 0.5
# A frame counts 1/50 of all: after a complete change, half of the old is forgotten in 35 frames.
_MEMORY_FRAMES = 50
# Before, chance makes distances.
LEAST_FRAMES = 30
# What has moved is back only when it is clearly below the threshold: no flutter.
_BACK_SHARE = 0.8
_DIGITS = 3


class DriftWatch:
    """Compares frames with a baseline; any thread may ask for the report.

    `on_changed` is called when another feature has moved, or is back.
    """

    def __init__(
        self, settings: CurrentSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.on_changed: Callable[[], None] = lambda: None
        self._moved: tuple[str, ...] = ()
        self._looked_at = -LOOK_SECONDS
        # Guards what follows.
        self._comparing = threading.Lock()
        self._start_over(None)

    def compare_with(self, baseline: Baseline | None) -> None:
        """Begin anew, with the baseline of the model that runs, if it has one."""
        with self._comparing:
            self._start_over(baseline)

    def see(self, frame: Frame, found: Sequence[Detection], inference_ms: float) -> None:
        """Look at a frame, at most twice a second."""
        del inference_ms
        now, threshold = self._clock(), self._settings.now.drift_threshold
        if self._baseline is None or now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        if not threshold:
            self.compare_with(self._baseline)
            return
        measures = brightness_and_sharpness(frame.image)
        with self._comparing:
            before, after = self._moved, self._compared(measures, found, threshold)
            self._moved = after
        if after != before:
            if after:
                logger.warning("what is seen has moved from the baseline: %s", ", ".join(after))
            else:
                logger.info("what is seen is as in the baseline again")
            self.on_changed()

    def reported(self) -> dict[str, Any] | None:
        """Return the distances as the heartbeat has them; None when there are none (yet)."""
        with self._comparing:
            if not self._distances:
                return None
            rounded = {name: round(self._distances[name], _DIGITS) for name in FEATURES}
            return {"frames": self._frames, **rounded, "moved": list(self._moved)}

    def _start_over(self, baseline: Baseline | None) -> None:
        self._baseline = baseline
        self._frames = 0
        self._weight = 0.0
        self._sums: dict[str, Values] = {}
        self._distances: dict[str, float] = {}
        self._moved = ()

    def _compared(
        self, measures: tuple[float, float], found: Sequence[Detection], threshold: float
    ) -> tuple[str, ...]:
        """Count a frame; return the features that have moved, in the order of `FEATURES`."""
        baseline = self._baseline
        if baseline is None:
            return ()
        kept = 1 - 1 / _MEMORY_FRAMES
        self._frames += 1
        self._weight = self._weight * kept + 1
        for name, placed in baseline.place(measures, found).items():
            self._sums[name] = self._sums.get(name, np.zeros(len(placed))) * kept + placed
        if self._frames < LEAST_FRAMES:
            return ()
        self._distances = {
            name: distance(self._sums[name] / self._weight, baseline.shares[name])
            for name in FEATURES
        }
        return tuple(
            name
            for name in FEATURES
            if self._distances[name] > threshold * (_BACK_SHARE if name in self._moved else 1)
        )
