"""What a loop measures of itself, with constant memory."""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

_RATE_WINDOW_SECONDS = 30.0
# Right after the start a single frame must not look like a thousand per second.
_SHORTEST_SPAN_SECONDS = 1.0
# The rate's window at a hundred frames per second; beyond it the window is shorter.
_MOST_FRAMES = 3000

_THERMAL = Path("/sys/class/thermal")
_MILLIDEGREES = 1000.0


class FrameMeasures:
    """How many frames a second, and how long each took; any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._measuring = threading.Lock()
        self._since = clock()
        self._recent: deque[tuple[float, float]] = deque(maxlen=_MOST_FRAMES)

    def restart(self) -> None:
        """Measure from now on."""
        with self._measuring:
            self._since = self._clock()
            self._recent.clear()

    def frame_done(self, latency_seconds: float) -> None:
        """Note a frame, and how long it took from the camera to the decision."""
        with self._measuring:
            self._recent.append((self._clock(), latency_seconds))

    def frames_per_second(self) -> float:
        """Over the window, up to now: a camera that stalls slows down here too."""
        with self._measuring:
            now = self._clock()
            self._forget(now)
            span_seconds = min(now - self._since, _RATE_WINDOW_SECONDS)
            if len(self._recent) == _MOST_FRAMES:
                span_seconds = now - self._recent[0][0]
            return round(len(self._recent) / max(span_seconds, _SHORTEST_SPAN_SECONDS), 3)

    def latency_ms(self) -> dict[str, float] | None:
        """Median and 95th percentile in the window, in milliseconds; None without a frame."""
        with self._measuring:
            self._forget(self._clock())
            ordered = sorted(latency for _, latency in self._recent)
        if not ordered:
            return None
        last = len(ordered) - 1
        return {
            "p50": round(ordered[last // 2] * 1000, 3),
            "p95": round(ordered[round(last * 0.95)] * 1000, 3),
        }

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - _RATE_WINDOW_SECONDS:
            self._recent.popleft()


def temperature_celsius(thermal: Path = _THERMAL) -> float | None:
    """Return the hottest zone that the machine measures, or None where it measures none."""
    readings = []
    for zone in thermal.glob("thermal_zone*/temp"):
        try:
            readings.append(int(zone.read_text()) / _MILLIDEGREES)
        except (OSError, ValueError):
            continue
    return round(max(readings), 1) if readings else None
