"""The selection of the detections to publish."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from camera.dynamic_settings import DynamicSettings
from shared.vision.detections import Detection

# Limits the memory that a malicious label map can use.
_MAX_LABELS = 10_000


def of_interest(detections: Sequence[Detection], settings: DynamicSettings) -> list[Detection]:
    """Return the detections with a label of interest and a score of at least the threshold."""
    return [
        detection
        for detection in detections
        if detection.score >= settings.threshold
        and (not settings.labels or detection.label in settings.labels)
    ]


class PublishFilter:
    """A filter of detections by score and label, by change, and by the interval of each label."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._previous_labels: Counter[str] = Counter()
        self._published_at: dict[str, float] = {}

    def select(
        self, detections: Sequence[Detection], settings: DynamicSettings
    ) -> Sequence[Detection] | None:
        """Return the detections to publish; None if no message is published.

        An empty result is published only if `publish_on_change` is set and the previous frame had
        detections.
        """
        selected = of_interest(detections, settings)
        if settings.publish_on_change:
            labels = Counter(detection.label for detection in selected)
            if labels == self._previous_labels:
                return None
            self._previous_labels = labels
            if not selected:
                return selected
        if settings.label_interval_seconds:
            selected = self._due(selected, settings.label_interval_seconds)
        return selected or None

    def _due(self, selected: list[Detection], interval_seconds: float) -> list[Detection]:
        now = self._clock()
        due = {
            detection.label
            for detection in selected
            if now - self._published_at.get(detection.label, -interval_seconds) >= interval_seconds
        }
        if len(self._published_at) > _MAX_LABELS:
            self._published_at.clear()
        self._published_at.update(dict.fromkeys(due, now))
        return [detection for detection in selected if detection.label in due]
