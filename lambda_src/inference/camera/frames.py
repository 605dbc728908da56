"""Frames, cameras, and the buffer of the newest frame."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Frame:
    """An image (uint8 [height, width, 3], RGB) with its capture time (UTC) and its source."""

    image: npt.NDArray[np.uint8]
    captured_at: datetime
    source: str


class Camera(Protocol):
    """The interface of a source of frames.

    Attributes:
        is_live: byte-for-byte equal frames indicate a failure.
        is_stream: frames arrive at the camera's rate and are queued. Each frame must be captured;
            otherwise the next frame is outdated.
    """

    is_live: bool
    is_stream: bool

    def capture(self) -> Frame:
        """Return the next frame, or raise `CameraError`."""
        ...

    def close(self) -> None:
        """Close the device or connection; the next `capture` opens it again."""
        ...


@dataclass(frozen=True)
class CapturedFrame:
    """A frame and its arrival in monotonic seconds, which clock changes do not affect."""

    frame: Frame
    at_seconds: float


class NewestFrame:
    """A buffer for one frame; a newer frame replaces it, which is counted in `dropped`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._arrived = threading.Condition()
        self._waiting: CapturedFrame | None = None
        self.dropped = 0

    def put(self, frame: Frame) -> None:
        """Store the newest frame."""
        with self._arrived:
            if self._waiting is not None:
                self.dropped += 1
            self._waiting = CapturedFrame(frame, self._clock())
            self._arrived.notify_all()

    def take(self, wait_seconds: float) -> CapturedFrame | None:
        """Remove and return the newest frame; return None if no frame arrives in time."""
        with self._arrived:
            if self._waiting is None:
                self._arrived.wait(wait_seconds)
            taken, self._waiting = self._waiting, None
            return taken

    def wake(self) -> None:
        """Make a waiting `take` return."""
        with self._arrived:
            self._arrived.notify_all()
