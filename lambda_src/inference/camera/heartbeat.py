"""The camera's own word: what it runs and how it does, as the named shadow `deeplens`."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Literal

from camera.backoff import Backoff, Repeats, is_worth_a_line
from camera.greengrass import ResultPublisher
from camera.messages import (
    LARGEST_HEARTBEAT_BYTES,
    ErrorReport,
    ModelIdentity,
    encode,
    timestamp,
)
from camera.metrics import FrameMeasures

logger = logging.getLogger(__name__)

Status = Literal["starting", "running", "failing", "stopped"]

Section = Callable[[], Any]


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
        sections: Mapping[str, Section] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sections` are what else is reported, each asked anew; `clock` is monotonic seconds."""
        self._topic = f"$aws/things/{thing}/shadow/name/deeplens/update"
        self._function_arn = function_arn
        self._engine = engine
        self._fallback: str | None = None
        self._interval_seconds = interval_seconds
        self._publisher = publisher
        self._sections = dict(sections or {})
        self._clock = clock
        self._started = clock()
        self._measures = FrameMeasures(clock)
        self._started_at = timestamp()
        self._stopping = threading.Event()
        # Guards what follows; never held while publishing.
        self._news = threading.Condition()
        self._changed = False
        self._status: Status = "starting"
        self._model: ModelIdentity | None = None
        self._frames = self._detections = 0
        self._last_frame_at: str | None = None
        self._last_error: ErrorReport | None = None
        self._errors = 0

    def loaded(
        self, model: ModelIdentity, engine: str | None = None, fallback: str | None = None
    ) -> None:
        """Note the model that runs from now on, on which engine, and why not on the GPU."""
        with self._news:
            self._engine = engine or self._engine
            self._fallback = fallback
            self._model = model
            self._measures.restart()

    def frame_done(self, latency_seconds: float, *, detections: int = 0) -> None:
        """Note a frame that went all the way, how long that took, and how much was found."""
        self._measures.frame_done(latency_seconds)
        with self._news:
            self._frames += 1
            self._detections += detections
            self._last_frame_at = timestamp()
            self._become("running")

    def failed(self, error: ErrorReport) -> None:
        """Note a failure that kept a frame from being done."""
        self.noted(error)
        with self._news:
            self._become("failing")

    def noted(self, error: ErrorReport) -> None:
        """Note a failure in spite of which frames go on."""
        with self._news:
            self._errors += 1
            self._last_error = error

    def changed(self) -> None:
        """Report soon: something that a section says has changed."""
        with self._news:
            self._changed = True
            self._news.notify_all()

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
                if is_worth_a_line(repeats.count(error)):
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
        sections = {name: section() for name, section in self._sections.items()}
        with self._news:
            self._changed = False
            reported = {
                "status": self._status,
                # `first_start` reports it while there is no camera, and a shadow would keep it.
                "installation": None,
                "model": asdict(self._model) if self._model else None,
                "function": self._function_arn,
                "engine": self._engine,
                "engine_fallback": self._fallback,
                "frames": self._frames,
                "detections": self._detections,
                "frames_per_second": self._measures.frames_per_second(),
                "latency_ms": self._measures.latency_ms(),
                "last_frame_at": self._last_frame_at,
                "errors": self._errors,
                "last_error": asdict(self._last_error) if self._last_error else None,
                **sections,
                "uptime_seconds": round(self._clock() - self._started, 3),
                "started_at": self._started_at,
                "heartbeat_at": timestamp(),
                "heartbeat_interval_seconds": self._interval_seconds,
            }
        return {"state": {"reported": self._within_limit(reported)}}

    def _within_limit(self, reported: dict[str, Any]) -> dict[str, Any]:
        """Omit the largest sections, and list them, until the heartbeat fits into a shadow.

        AWS IoT rejects a shadow of more than 8 KiB as a whole: the camera would appear silent.
        """
        fitting, omitted = {**reported, "omitted": None}, []
        while len(encode(fitting)) > LARGEST_HEARTBEAT_BYTES:
            sizes = {
                name: len(encode({name: fitting[name]}))
                for name in self._sections
                if fitting[name] is not None
            }
            if not sizes:
                break
            omitted.append(max(sizes, key=sizes.__getitem__))
            fitting |= {omitted[-1]: None, "omitted": sorted(omitted)}
        return fitting

    def _has_news(self) -> bool:
        return self._changed or self._stopping.is_set()

    def _become(self, status: Status) -> None:
        if status != self._status and not self._stopping.is_set():
            self._status, self._changed = status, True
            self._news.notify_all()
