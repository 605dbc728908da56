"""Frames, and the one place where the newest of them waits."""

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
    """One picture: uint8 [height, width, 3], RGB; when it was captured (UTC), and from where."""

    image: npt.NDArray[np.uint8]
    captured_at: datetime
    source: str


class Camera(Protocol):
    """Gives pictures.

    `is_live`: whether two pictures that are the same, byte for byte, mean that something hangs.
    `is_stream`: whether pictures come at the camera's pace and wait for whoever is slower; they
    must all be captured, or the newest is an old one.
    """

    is_live: bool
    is_stream: bool

    def capture(self) -> Frame:
        """Return the next picture; raise `CameraError` when there is none this time."""
        ...

    def close(self) -> None:
        """Let go of the device or connection; the next `capture` opens it again."""
        ...


@dataclass(frozen=True)
class Captured:
    """A frame, and when it was put here (monotonic seconds: wall clocks jump)."""

    frame: Frame
    at_seconds: float


class NewestFrame:
    """Holds one frame: a newer one takes the place of one that nobody took, which is counted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._arrived = threading.Condition()
        self._waiting: Captured | None = None
        self.dropped = 0

    def put(self, frame: Frame) -> None:
        """Make this the newest frame."""
        with self._arrived:
            if self._waiting is not None:
                self.dropped += 1
            self._waiting = Captured(frame, self._clock())
            self._arrived.notify_all()

    def take(self, wait_seconds: float) -> Captured | None:
        """Return the newest frame and forget it; None when none came in time."""
        with self._arrived:
            if self._waiting is None:
                self._arrived.wait(wait_seconds)
            taken, self._waiting = self._waiting, None
            return taken

    def wake(self) -> None:
        """Make `take` return now."""
        with self._arrived:
            self._arrived.notify_all()
