"""Metrics of the loop and of the device, for the heartbeat."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from shared.messages.heartbeat import DiskSpace, Latency, MemorySpace

_RATE_WINDOW_SECONDS = 30.0
# Over a shorter time, a single frame after the start would result in thousands per second.
_SHORTEST_SPAN_SECONDS = 1.0
# The number of frames in the window at 100 frames per second; at higher rates, the window is
# shorter.
_MAX_FRAMES = 3000

_THERMAL = Path("/sys/class/thermal")
_MILLIDEGREES = 1000.0
_MEMINFO = Path("/proc/meminfo")
_KIB = 1024


class FrameMetrics:
    """Frame rate and latency of the last 30 s, in constant memory; any thread may use it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._measuring = threading.Lock()
        self._since = clock()
        self._recent: deque[tuple[float, float]] = deque(maxlen=_MAX_FRAMES)

    def restart(self) -> None:
        """Discard all frames, and restart the measurement."""
        with self._measuring:
            self._since = self._clock()
            self._recent.clear()

    def frame_done(self, latency_seconds: float) -> None:
        """Add a frame with its latency, from capture to the selection of detections."""
        with self._measuring:
            self._recent.append((self._clock(), latency_seconds))

    def frames_per_second(self) -> float:
        """Return the rate in the window, which decreases while the camera returns no frames."""
        with self._measuring:
            now = self._clock()
            self._discard_old(now)
            span_seconds = min(now - self._since, _RATE_WINDOW_SECONDS)
            if len(self._recent) == _MAX_FRAMES:
                span_seconds = now - self._recent[0][0]
            return round(len(self._recent) / max(span_seconds, _SHORTEST_SPAN_SECONDS), 3)

    def latency_ms(self) -> Latency | None:
        """Return the median and the 95th percentile in milliseconds; None without a frame."""
        with self._measuring:
            self._discard_old(self._clock())
            ordered = sorted(latency for _, latency in self._recent)
        if not ordered:
            return None
        last = len(ordered) - 1
        return Latency(
            p50=round(ordered[last // 2] * 1000, 3),
            p95=round(ordered[round(last * 0.95)] * 1000, 3),
        )

    def _discard_old(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - _RATE_WINDOW_SECONDS:
            self._recent.popleft()


def disk_space(folder: Path) -> DiskSpace | None:
    """Return the free and total bytes of the file system of a folder.

    A deployment requires space for the new artifacts in addition to those of the current release.
    Greengrass stores every artifact of the device on the file system of the model's artifact. Free
    bytes are those for users other than root. If the file system cannot be queried, the result is
    None.

    Args:
        folder: a path that need not exist; its first existing parent is used.
    """
    existing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    try:
        file_system = os.statvfs(existing or "/")
    except OSError:
        return None
    return DiskSpace(
        free_bytes=file_system.f_bavail * file_system.f_frsize,
        total_bytes=file_system.f_blocks * file_system.f_frsize,
    )


def memory_space(meminfo: Path = _MEMINFO) -> MemorySpace | None:
    """Return the available and total bytes of the device's memory, or None outside Linux.

    Available memory includes caches that the kernel can drop (`MemAvailable`, proc(5)).
    """
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        kibibytes = {
            name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)
        }
        return MemorySpace(
            available_bytes=kibibytes["MemAvailable"] * _KIB,
            total_bytes=kibibytes["MemTotal"] * _KIB,
        )
    except (OSError, ValueError, IndexError, KeyError):
        return None


def temperature_celsius(thermal: Path = _THERMAL) -> float | None:
    """Return the temperature of the hottest thermal zone, or None if the machine has none."""
    readings = []
    for zone in thermal.glob("thermal_zone*/temp"):
        try:
            readings.append(int(zone.read_text()) / _MILLIDEGREES)
        except (OSError, ValueError):
            continue
    return round(max(readings), 1) if readings else None
