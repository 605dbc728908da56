"""The heartbeat: the state of the camera, reported in the named shadow `deeplens`."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from camera.backoff import Backoff, ErrorCounts, is_logged
from camera.greengrass import ResultPublisher
from camera.messages import LARGEST_HEARTBEAT_BYTES, encode
from camera.metrics import FrameMetrics
from shared.messages.heartbeat import (
    FIELDS,
    SHADOW,
    ErrorReport,
    Heartbeat,
    ModelIdentity,
    timestamp,
)

logger = logging.getLogger(__name__)

Status = Literal["starting", "running", "failing", "stopped"]

Section = Callable[[], Any]

_SECTIONS = frozenset(
    {
        "picture",
        "dropped",
        "spool",
        "disk",
        "memory",
        "temperature_celsius",
        "drift",
        "crops",
        "settings",
        "settings_refused",
    }
)


class HeartbeatReporter:
    """The state of the camera, reported at the start, after a change, and at an interval.

    `run` has a separate thread, because loading a model can take longer than an interval. Any
    thread may call the other methods.
    """

    def __init__(  # noqa: PLR0913 - keyword-only parts
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
        """Add the results of `sections` to each report; `clock` returns monotonic seconds."""
        self._topic = f"$aws/things/{thing}/shadow/name/{SHADOW}/update"
        self._function_arn = function_arn
        self._engine = engine
        self._fallback: str | None = None
        self._interval_seconds = interval_seconds
        self._publisher = publisher
        self._sections = dict(sections or {})
        # A report omits the members without a section, so the shadow retains their values.
        self._members = [name for name in FIELDS if name in self._sections or name not in _SECTIONS]
        self._clock = clock
        self._started = clock()
        self._metrics = FrameMetrics(clock)
        self._started_at = timestamp()
        self._stopping = threading.Event()
        # This lock guards the attributes below; it is not held while publishing.
        self._updated = threading.Condition()
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
        """Set the running model, its engine, and the reason of a fallback to the CPU."""
        with self._updated:
            self._engine = engine or self._engine
            self._fallback = fallback
            self._model = model
            self._metrics.restart()

    def frame_done(self, latency_seconds: float, *, detections: int = 0) -> None:
        """Count a processed frame with its latency and its detections."""
        self._metrics.frame_done(latency_seconds)
        with self._updated:
            self._frames += 1
            self._detections += detections
            self._last_frame_at = timestamp()
            self._become("running")

    def failed(self, error: ErrorReport) -> None:
        """Report a failure that prevented the processing of a frame."""
        self.degraded(error)
        with self._updated:
            self._become("failing")

    def degraded(self, error: ErrorReport) -> None:
        """Report a failure that does not prevent the processing of frames."""
        with self._updated:
            self._errors += 1
            self._last_error = error

    def changed(self) -> None:
        """Send a report soon, because a section has changed."""
        with self._updated:
            self._changed = True
            self._updated.notify_all()

    def stop(self) -> None:
        """Make `run` report the final status `stopped` and return."""
        with self._updated:
            self._become("stopped")
            self._stopping.set()

    def run(self) -> None:
        """Report until `stop` is called; retry a failed report after an increasing pause."""
        backoff, repeats = Backoff(), ErrorCounts()
        while True:
            last = self._stopping.is_set()
            try:
                self._publisher.publish(self._topic, encode(self.document()))
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                if is_logged(repeats.count(error)):
                    logger.warning("heartbeat not sent: %s", error)
                if last:
                    return
                self._stopping.wait(backoff.failed())
            else:
                if last:
                    return
                backoff.succeeded()
                with self._updated:
                    self._updated.wait_for(self._has_update, self._interval_seconds)

    def document(self) -> dict[str, Any]:
        """Return the update of the shadow, and mark changes as reported."""
        sections = {name: section() for name, section in self._sections.items()}
        with self._updated:
            self._changed = False
            heartbeat = Heartbeat(
                status=self._status,
                # This removes the value that `first_start` reported.
                installation=None,
                model=self._model,
                function=self._function_arn,
                engine=self._engine,
                engine_fallback=self._fallback,
                frames=self._frames,
                detections=self._detections,
                frames_per_second=self._metrics.frames_per_second(),
                latency_ms=self._metrics.latency_ms(),
                last_frame_at=self._last_frame_at,
                errors=self._errors,
                last_error=self._last_error,
                uptime_seconds=round(self._clock() - self._started, 3),
                started_at=self._started_at,
                heartbeat_at=timestamp(),
                heartbeat_interval_seconds=self._interval_seconds,
                **sections,
            )
        return self._within_limit(heartbeat)

    def _within_limit(self, heartbeat: Heartbeat) -> dict[str, Any]:
        """Omit the largest sections, and list them, until the heartbeat fits into a shadow.

        AWS IoT rejects a shadow above 8 KiB, and the camera would be reported as offline.
        """
        omitted: list[str] = []
        document = heartbeat.to_shadow(self._members)
        fitting = document["state"]["reported"]
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
        return document

    def _has_update(self) -> bool:
        return self._changed or self._stopping.is_set()

    def _become(self, status: Status) -> None:
        if status != self._status and not self._stopping.is_set():
            self._status, self._changed = status, True
            self._updated.notify_all()
