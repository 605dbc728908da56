"""What of that which an engine found is said."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from camera.live_settings import LiveSettings
from shared.vision.detections import Detection

# A hostile label map must not fill the memory.
_MOST_LABELS_REMEMBERED = 10_000


def of_interest(found: Sequence[Detection], settings: LiveSettings) -> list[Detection]:
    """Return what has a label of interest and a score that reaches the threshold."""
    return [
        one
        for one in found
        if one.score >= settings.threshold and (not settings.labels or one.label in settings.labels)
    ]


class Decisions:
    """Decides frame by frame: by score and label, on a change only, not too often per label."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: Counter[str] = Counter()
        self._said_at: dict[str, float] = {}

    def decide(
        self, found: Sequence[Detection], settings: LiveSettings
    ) -> Sequence[Detection] | None:
        """Return what to publish; None when nothing is.

        Nothing on a frame is worth a message only where changes are what is published: it says
        that what was there is gone.
        """
        kept = of_interest(found, settings)
        if settings.publish_on_change:
            now = Counter(one.label for one in kept)
            if now == self._before:
                return None
            self._before = now
            if not kept:
                return kept
        if settings.label_interval_seconds:
            kept = self._due(kept, settings.label_interval_seconds)
        return kept or None

    def _due(self, kept: list[Detection], interval_seconds: float) -> list[Detection]:
        now = self._clock()
        due = {
            one.label
            for one in kept
            if now - self._said_at.get(one.label, -interval_seconds) >= interval_seconds
        }
        if len(self._said_at) > _MOST_LABELS_REMEMBERED:
            self._said_at.clear()
        self._said_at.update(dict.fromkeys(due, now))
        return [one for one in kept if one.label in due]
