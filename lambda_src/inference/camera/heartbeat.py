"""The camera's own word: what it runs and how it does, as the named shadow `deeplens`."""

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from camera.messages import ModelIdentity, timestamp
from camera.settings import Settings

Status = Literal["starting", "running", "failing", "stopped"]

_RATE_WINDOW_FRAMES = 60


class Heartbeat:
    """Collects the state and hands it on: at once on a change, else at the interval."""

    def __init__(self, settings: Settings, send: Callable[[str, bytes], None]) -> None:
        self._topic = f"$aws/things/{settings.thing}/shadow/name/deeplens/update"
        self._function_arn = settings.function_arn
        self._interval_seconds = settings.heartbeat_interval_seconds
        self._send = send
        self._status: Status = "starting"
        self._engine: str | None = None
        self._model: ModelIdentity | None = None
        self._frames = 0
        self._last_frame_at: str | None = None
        self._last_error: dict[str, Any] | None = None
        self._started_at = timestamp()
        self._recent: deque[float] = deque(maxlen=_RATE_WINDOW_FRAMES)
        self._changed = True
        self._sent_at = float("-inf")

    def runs(self, model: ModelIdentity, engine: str) -> None:
        """Note which model was loaded, and by what."""
        self._model, self._engine, self._changed = model, engine, True

    def saw_frame(self) -> None:
        """Note a frame that went all the way."""
        self._frames += 1
        self._last_frame_at = timestamp()
        self._recent.append(time.monotonic())
        self._become("running")

    def saw_error(self, error: dict[str, Any]) -> None:
        """Note a failure."""
        self._last_error = error
        self._become("failing")

    def stopped(self) -> None:
        """Note the end."""
        self._become("stopped")

    def beat(self) -> None:
        """Send the state if it changed or the interval passed; raise what sending raises."""
        now = time.monotonic()
        if not self._changed and now - self._sent_at < self._interval_seconds:
            return
        self._send(self._topic, self._document(now))
        self._changed, self._sent_at = False, now

    def _become(self, status: Status) -> None:
        if status != self._status:
            self._status, self._changed = status, True

    def _document(self, now: float) -> bytes:
        reported = {
            "status": self._status,
            "model": asdict(self._model) if self._model else None,
            "function": self._function_arn,
            "engine": self._engine,
            "frames": self._frames,
            "frames_per_second": self._frames_per_second(now),
            "last_frame_at": self._last_frame_at,
            "last_error": self._last_error,
            "started_at": self._started_at,
            "heartbeat_at": timestamp(),
            "heartbeat_interval_seconds": self._interval_seconds,
        }
        return json.dumps({"state": {"reported": reported}}, allow_nan=False).encode()

    def _frames_per_second(self, now: float) -> float:
        """Over the newest frames, up to now: a camera that stalls slows down here too."""
        if not self._recent:
            return 0.0
        return (
            round(len(self._recent) / max(now - self._recent[0], 1e-3), 2)
            if (len(self._recent) > 1)
            else 0.0
        )
