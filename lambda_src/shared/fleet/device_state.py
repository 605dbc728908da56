"""The state of each device, derived from reports of several sources.

Each kind of observation has an order. `latest_by_device` selects the latest observation of each
kind, which is the maximum of a set. Repeated, late and reordered observations therefore do not
change the result.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from shared.messages.heartbeat import Heartbeat

SUCCEEDED = frozenset({"SUCCEEDED", "COMPLETED"})
FAILED = frozenset({"FAILED", "REJECTED", "TIMED_OUT", "CANCELED"})
_RANKS = {"QUEUED": 0, "IN_PROGRESS": 1, **dict.fromkeys(SUCCEEDED, 2), **dict.fromkeys(FAILED, 3)}

# The number of consecutive missed heartbeats after which a camera counts as silent.
MISSED_HEARTBEATS = 3
_DEFAULT_INTERVAL_SECONDS = 60.0
_SHORTEST_INTERVAL_SECONDS = 1.0

# The value of `runtime` for Greengrass nucleus lite in the responses of ListCoreDevices.
LITE = "aws_nucleus_lite"


@dataclass(frozen=True)
class ReceivedHeartbeat:
    """The last heartbeat of a thing, and the time at which the cloud received it.

    Attributes:
        received_at: seconds since the epoch by the cloud's clock, to the second; 0 if unknown.
        version: version of the shadow, which each update increments.
        reported: the heartbeat.
    """

    thing: str
    received_at: float
    version: int
    reported: Heartbeat

    @classmethod
    def from_shadow(cls, thing: str, document: dict[str, Any]) -> Self | None:
        """Return the heartbeat in a response of GetThingShadow, or None if there is none."""
        heartbeat = Heartbeat.from_shadow(document)
        if heartbeat is None:
            return None
        received_at: Any = document
        for name in ("metadata", "reported", "heartbeat_at", "timestamp"):
            received_at = received_at.get(name) if isinstance(received_at, dict) else None
        version = document.get("version", 0)
        return cls(
            thing,
            float(received_at) if isinstance(received_at, int | float) else 0.0,
            int(version),
            heartbeat,
        )

    @property
    def order(self) -> tuple[Any, ...]:
        """The sort key for heartbeats of one thing: time of receipt, then shadow version."""
        return (self.received_at, self.version, repr(self))

    @property
    def status(self) -> str:
        """The status of the camera, or `unknown` if the heartbeat contains none."""
        return self.reported.status or "unknown"

    @property
    def model_digest(self) -> str | None:
        """The SHA-256 of the artifact that the camera runs; None if not reported."""
        return (self.reported.model.digest or None) if self.reported.model else None

    @property
    def function_arn(self) -> str | None:
        """The ARN of the function version that the camera runs; None if not reported."""
        return self.reported.function

    @property
    def frames(self) -> int:
        """The number of frames processed since the start of the function; 0 if not reported."""
        return self.reported.frames or 0

    @property
    def detections(self) -> int:
        """The number of detections since the start of the function, published or not.

        The number is 0 if it is not reported.
        """
        return self.reported.detections or 0

    @property
    def frames_per_second(self) -> float:
        """The frame rate, or 0 if the heartbeat contains none."""
        return self.reported.frames_per_second or 0.0

    @property
    def last_error(self) -> str | None:
        """The message of the last error since the start of the function; None without an error."""
        return (self.reported.last_error.message or None) if self.reported.last_error else None

    @property
    def disk_free_bytes(self) -> int | None:
        """The free bytes in the file system of the artifacts; None if not reported."""
        return self.reported.disk.free_bytes if self.reported.disk else None

    @property
    def uptime_seconds(self) -> float:
        """The seconds since the start of the function; 0 if a time is missing or invalid.

        The camera's clock provides both times, so its error cancels out.
        """
        try:
            end = datetime.fromisoformat(self.reported.heartbeat_at or "")
            begin = datetime.fromisoformat(self.reported.started_at or "")
            return (end - begin).total_seconds()
        except (TypeError, ValueError):
            return 0.0

    @property
    def started_at(self) -> float:
        """The start of the function, in seconds since the epoch by the cloud's clock.

        If the uptime is not reported, this is the time of receipt.
        """
        return self.received_at - self.uptime_seconds

    @property
    def silence_seconds(self) -> float:
        """The seconds without a heartbeat after which the camera counts as silent."""
        interval = self.reported.heartbeat_interval_seconds or _DEFAULT_INTERVAL_SECONDS
        return MISSED_HEARTBEATS * max(interval, _SHORTEST_INTERVAL_SECONDS)

    def is_alive(self, now: float) -> bool:
        """Return whether the camera runs and is not silent at `now` (seconds since the epoch)."""
        return self.status != "stopped" and now - self.received_at < self.silence_seconds


@dataclass(frozen=True)
class JobExecution:
    """The progress of a deployment on a device, from the IoT job or from Greengrass.

    Times are seconds since the epoch; `at` is the time of the last change.
    """

    thing: str
    deployment_id: str
    status: str
    at: float
    queued_at: float = 0.0
    number: int = 1
    reason: str = ""
    error_stack: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[Any, ...]:
        """The sort key: the attempt's number, then progress; a failure sorts after a success."""
        detail = (bool(self.error_stack), bool(self.reason), self.at, repr(self))
        return (self.number, _RANKS.get(self.status, 0), *detail)


@dataclass(frozen=True)
class InstalledComponent:
    """A component of a core device, as the device reported it."""

    thing: str
    component: str
    version: str
    state: str
    reported_at: float
    detail: str = ""

    @property
    def order(self) -> tuple[Any, ...]:
        """The sort key among the reports of a component on a thing."""
        return (self.reported_at, repr(self))


@dataclass(frozen=True)
class Registered:
    """A thing that has been connected as a core device at least once.

    Attributes:
        runtime: the nucleus of the device: `aws_nucleus_classic` or `aws_nucleus_lite`.
        reported_at: time of the device's last status update, in seconds since the epoch.
    """

    thing: str
    runtime: str = ""
    reported_at: float = 0.0

    @property
    def order(self) -> tuple[Any, ...]:
        """The sort key: the latest report counts, because a thing's nucleus can be replaced."""
        return (self.reported_at, self.runtime)


Observation = ReceivedHeartbeat | JobExecution | InstalledComponent | Registered


@dataclass(frozen=True)
class DeviceState:
    """The latest observation of each kind for one device."""

    heartbeat: ReceivedHeartbeat | None = None
    execution: JobExecution | None = None
    installed: tuple[InstalledComponent, ...] = ()
    is_registered: bool = False
    runtime: str = ""


def latest_by_device(
    observations: Iterable[Observation], deployment_id: str
) -> dict[str, DeviceState]:
    """Return the state of each device during one deployment.

    Job executions of other deployments are ignored. The function is pure, and the order of the
    observations does not change its result.
    """
    latest: dict[tuple[str, str], Observation] = {}
    queued_at: dict[str, float] = {}
    for observation in observations:
        thing = observation.thing
        if isinstance(observation, JobExecution):
            if observation.deployment_id != deployment_id or observation.status not in _RANKS:
                continue
            queued_at[thing] = max(queued_at.get(thing, 0.0), observation.queued_at)
        part = observation.component if isinstance(observation, InstalledComponent) else ""
        key = (thing, f"{type(observation).__name__}/{part}")
        if key not in latest or observation.order > latest[key].order:
            latest[key] = observation
    return _states(latest.values(), queued_at)


def _states(latest: Iterable[Observation], queued_at: dict[str, float]) -> dict[str, DeviceState]:
    states: dict[str, dict[str, Any]] = {}
    for observation in latest:
        state = states.setdefault(observation.thing, {"installed": []})
        match observation:
            case ReceivedHeartbeat():
                state["heartbeat"] = observation
            case JobExecution():
                state["execution"] = observation
            case InstalledComponent():
                state["installed"].append(observation)
            case Registered():
                state["is_registered"], state["runtime"] = True, observation.runtime
    for thing, state in states.items():
        execution: JobExecution | None = state.get("execution")
        if execution and execution.queued_at != queued_at[thing]:
            fields = {**vars(execution), "queued_at": queued_at[thing]}
            state["execution"] = JobExecution(**fields)
        state["installed"] = tuple(
            sorted(state["installed"], key=lambda installed: installed.component)
        )
    return {thing: DeviceState(**state) for thing, state in states.items()}
