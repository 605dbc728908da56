"""Detection of drift: frames that differ from the images with which the model was verified.

Frames are counted in the histograms of the artifact's baseline. Each sampled frame reduces the
weight of earlier frames, so that recent frames dominate and memory is constant.
`shared.artifact.drift_baseline` defines the features and the distance.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from camera.dynamic_settings import CurrentSettings
from camera.frames import Frame
from shared.artifact.drift_baseline import (
    FEATURES,
    Baseline,
    Values,
    brightness_and_sharpness,
    distance,
)
from shared.messages.heartbeat import DriftReport
from shared.vision.detections import Detection

logger = logging.getLogger(__name__)

# Consecutive frames are similar, so sampling all of them would only cost time.
SAMPLE_SECONDS = 0.5
# A new frame has a weight of 1/50. 35 frames after a change, the old frames have half of the
# weight.
_MEMORY_FRAMES = 50
# With fewer frames, distances are mostly random.
MIN_FRAMES = 30
# A moved feature is reset only if it is clearly below the threshold, so that it does not alternate.
_RESET_SHARE = 0.8
_DIGITS = 3


class DriftMonitor:
    """A comparison of frames with a baseline; any thread may call `reported`.

    `on_changed` is called if the set of moved features has changed.
    """

    def __init__(
        self, settings: CurrentSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.on_changed: Callable[[], None] = lambda: None
        self._moved: tuple[str, ...] = ()
        self._sampled_at = -SAMPLE_SECONDS
        # This lock guards the attributes below.
        self._comparing = threading.Lock()
        self._start_over(None)

    def set_baseline(self, baseline: Baseline | None) -> None:
        """Restart with the baseline of the running model; None if the model has no baseline."""
        with self._comparing:
            self._start_over(baseline)

    def observe(self, frame: Frame, detections: Sequence[Detection], inference_ms: float) -> None:
        """Count a frame, at most twice per second."""
        del inference_ms
        now, threshold = self._clock(), self._settings.current.drift_threshold
        if self._baseline is None or now - self._sampled_at < SAMPLE_SECONDS:
            return
        self._sampled_at = now
        if not threshold:
            self.set_baseline(self._baseline)
            return
        values = brightness_and_sharpness(frame.image)
        with self._comparing:
            before, after = self._moved, self._compare(values, detections, threshold)
            self._moved = after
        if after != before:
            if after:
                logger.warning("features have moved from the baseline: %s", ", ".join(after))
            else:
                logger.info("all features are close to the baseline again")
            self.on_changed()

    def reported(self) -> DriftReport | None:
        """Return the heartbeat's section `drift`; None before the first distances."""
        with self._comparing:
            if not self._distances:
                return None
            rounded = {name: round(self._distances[name], _DIGITS) for name in FEATURES}
            return DriftReport(frames=self._frames, moved=tuple(self._moved), **rounded)

    def _start_over(self, baseline: Baseline | None) -> None:
        self._baseline = baseline
        self._frames = 0
        self._weight = 0.0
        self._sums: dict[str, Values] = {}
        self._distances: dict[str, float] = {}
        self._moved = ()

    def _compare(
        self, values: tuple[float, float], detections: Sequence[Detection], threshold: float
    ) -> tuple[str, ...]:
        """Count a frame; return the moved features in the order of `FEATURES`."""
        baseline = self._baseline
        if baseline is None:
            return ()
        retained = 1 - 1 / _MEMORY_FRAMES
        self._frames += 1
        self._weight = self._weight * retained + 1
        for name, placed in baseline.place(values, detections).items():
            self._sums[name] = self._sums.get(name, np.zeros(len(placed))) * retained + placed
        if self._frames < MIN_FRAMES:
            return ()
        self._distances = {
            name: distance(self._sums[name] / self._weight, baseline.shares[name])
            for name in FEATURES
        }
        return tuple(
            name
            for name in FEATURES
            if self._distances[name] > threshold * (_RESET_SHARE if name in self._moved else 1)
        )
