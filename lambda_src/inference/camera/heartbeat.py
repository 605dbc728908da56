"""The camera's own word: what it runs and how it does, as the named shadow `deeplens`."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from camera.failures import Backoff, Repeats
from camera.messages import ErrorReport, ModelIdentity, encode, timestamp
from camera.publishing import ResultPublisher

logger = logging.getLogger(__name__)

Status = Literal["starting", "running", "failing", "stopped"]

_RATE_WINDOW_SECONDS = 30.0
# Right after the start a single frame must not look like a thousand per second.
_SHORTEST_SPAN_SECONDS = 1.0


class Heartbeat:
    """Holds the state, and reports it at the start, on a change and at an interval.

    It reports from a thread of its own: loading a model takes longer than an interval, and the
    camera is alive meanwhile. The other methods may be called from any thread.
    """

    def __init__(  # noqa: PLR0913 - what it reports about, and to whom
        self,
        *,
        thing: str,
        function_arn: str | None,
        engine: str,
        interval_seconds: float,
        publisher: ResultPublisher,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` returns monotonic seconds."""
        self._topic = f"$aws/things/{thing}/shadow/name/deeplens/update"
        self._function_arn = function_arn
        self._engine = engine
        self._interval_seconds = interval_seconds
        self._publisher = publisher
        self._clock = clock
        self._started_at = timestamp()
        self._stopping = threading.Event()
        # Guards what follows; never held while publishing.
        self._news = threading.Condition()
        self._changed = False
        self._status: Status = "starting"
        self._model: ModelIdentity | None = None
        self._frames = 0
        self._last_frame_at: str | None = None
        self._last_error: ErrorReport | None = None
        self._running_since = clock()
        self._recent: deque[float] = deque()

    def loaded(self, model: ModelIdentity) -> None:
        """Note the model that runs from now on."""
        with self._news:
            self._model = model
            self._running_since = self._clock()

    def frame_done(self) -> None:
        """Note a frame that went all the way."""
        with self._news:
            self._frames += 1
            self._last_frame_at = timestamp()
            self._recent.append(self._clock())
            self._forget_old_frames()
            self._become("running")

    def failed(self, error: ErrorReport) -> None:
        """Note a failure."""
        with self._news:
            self._last_error = error
            self._become("failing")

    def stop(self) -> None:
        """Make `run` send "stopped" and return; nothing is noted any more."""
        with self._news:
            self._become("stopped")
            self._stopping.set()

    def run(self) -> None:
        """Report until `stop`; what cannot be sent is tried again, with a growing pause."""
        backoff, repeats = Backoff(), Repeats()
        while True:
            last = self._stopping.is_set()
            try:
                self._publisher.publish(self._topic, encode(self.document()))
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may succeed
                if repeats.is_news(error):
                    logger.warning("heartbeat not sent: %s", error)
                if last:
                    return
                self._stopping.wait(backoff.failed())
            else:
                if last:
                    return
                backoff.succeeded()
                with self._news:
                    self._news.wait_for(self._has_news, self._interval_seconds)

    def document(self) -> dict[str, Any]:
        """Return the shadow's update, and count the state as reported."""
        with self._news:
            self._changed = False
            reported = {
                "status": self._status,
                "model": asdict(self._model) if self._model else None,
                "function": self._function_arn,
                "engine": self._engine,
                "frames": self._frames,
                "frames_per_second": self._frames_per_second(),
                "last_frame_at": self._last_frame_at,
                "last_error": asdict(self._last_error) if self._last_error else None,
                "started_at": self._started_at,
                "heartbeat_at": timestamp(),
                "heartbeat_interval_seconds": self._interval_seconds,
            }
        return {"state": {"reported": reported}}

    def _has_news(self) -> bool:
        return self._changed or self._stopping.is_set()

    def _become(self, status: Status) -> None:
        if status != self._status and not self._stopping.is_set():
            self._status, self._changed = status, True
            self._news.notify_all()

    def _frames_per_second(self) -> float:
        """Over the window, up to now: a camera that stalls slows down here too."""
        self._forget_old_frames()
        span_seconds = min(self._clock() - self._running_since, _RATE_WINDOW_SECONDS)
        return round(len(self._recent) / max(span_seconds, _SHORTEST_SPAN_SECONDS), 3)

    def _forget_old_frames(self) -> None:
        oldest = self._clock() - _RATE_WINDOW_SECONDS
        while self._recent and self._recent[0] < oldest:
            self._recent.popleft()
