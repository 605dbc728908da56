"""What the cloud has been told about each device, whoever told it, in whatever order.

An observation is a fact with a place in the order of its kind. `known` keeps the newest of each
kind, so that repeated, late and reordered observations change nothing: it is the maximum of a set.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SUCCEEDED = frozenset({"SUCCEEDED", "COMPLETED"})
FAILED = frozenset({"FAILED", "REJECTED", "TIMED_OUT", "CANCELED"})
_RANKS = {"QUEUED": 0, "IN_PROGRESS": 1, **dict.fromkeys(SUCCEEDED, 2), **dict.fromkeys(FAILED, 3)}

# A camera that missed this many heartbeats in a row is silent.
_MISSED_HEARTBEATS = 3

# The runtime of Greengrass nucleus lite, as ListCoreDevices names it.
LITE = "aws_nucleus_lite"


@dataclass(frozen=True)
class ReceivedHeartbeat:
    """The reported state of the thing's named shadow `deeplens`; times by the cloud's clock."""

    thing: str
    # Seconds since the epoch, to the second: when the cloud received it.
    received_at: float
    # Of the shadow: one more with each update.
    version: int
    status: str
    model_digest: str | None = None
    function_arn: str | None = None
    frames: int = 0
    # On these frames, of labels of interest from the threshold on.
    detections: int = 0
    frames_per_second: float = 0.0
    last_error: str | None = None
    interval_seconds: float = 60.0
    # How long the function runs, by the camera's clock, whose error cancels out.
    uptime_seconds: float = 0.0
    # For people; the gate does not look at them.
    model_version: str | None = None
    last_frame_at: str | None = None
    # Of the file system that has the artifacts, and of the device's memory; None if not reported.
    disk_free_bytes: int | None = None
    memory_available_bytes: int | None = None

    @property
    def order(self) -> tuple[Any, ...]:
        """Its place among the heartbeats of a thing."""
        return (self.received_at, self.version, repr(self))

    @property
    def started_at(self) -> float:
        """When the function started, by the cloud's clock."""
        return self.received_at - self.uptime_seconds

    def is_alive(self, now: float) -> bool:
        """Whether the camera still reports, as far as its own interval lets one say."""
        return self.status != "stopped" and now - self.received_at < self.silence_seconds

    @property
    def silence_seconds(self) -> float:
        """How long no heartbeat means that the camera is silent."""
        return _MISSED_HEARTBEATS * max(self.interval_seconds, 1.0)


@dataclass(frozen=True)
class JobExecution:
    """How far a deployment came on a device: the job's word, or Greengrass' own."""

    thing: str
    deployment_id: str
    status: str
    # Seconds since the epoch: the last change.
    at: float
    queued_at: float = 0.0
    number: int = 1
    reason: str = ""
    error_stack: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[Any, ...]:
        """Its place: an execution only ever advances; a failure outweighs a success."""
        detail = (bool(self.error_stack), bool(self.reason), self.at, repr(self))
        return (self.number, _RANKS.get(self.status, 0), *detail)


@dataclass(frozen=True)
class InstalledComponent:
    """What a core device reported about one of its components."""

    thing: str
    component: str
    version: str
    state: str
    reported_at: float
    detail: str = ""

    @property
    def order(self) -> tuple[Any, ...]:
        """Its place among the reports of a component on a thing."""
        return (self.reported_at, repr(self))


@dataclass(frozen=True)
class Registered:
    """The thing was a connected core device at least once.

    Attributes:
        runtime: the nucleus that it runs: `aws_nucleus_classic` or `aws_nucleus_lite`.
        reported_at: seconds since the epoch: the device's last status update.
    """

    thing: str
    runtime: str = ""
    reported_at: float = 0.0

    @property
    def order(self) -> tuple[Any, ...]:
        """Its place among the reports of a thing: a device can be set up with another nucleus."""
        return (self.reported_at, self.runtime)


Observation = ReceivedHeartbeat | JobExecution | InstalledComponent | Registered


@dataclass(frozen=True)
class DeviceState:
    """The newest observation of each kind of one device."""

    heartbeat: ReceivedHeartbeat | None = None
    execution: JobExecution | None = None
    installed: tuple[InstalledComponent, ...] = ()
    is_registered: bool = False
    runtime: str = ""


def latest_by_device(
    observations: Iterable[Observation], deployment_id: str
) -> dict[str, DeviceState]:
    """Say what is known of each device about one deployment; pure, whatever the order."""
    newest: dict[tuple[str, str], Observation] = {}
    queued_at: dict[str, float] = {}
    for one in observations:
        if isinstance(one, JobExecution):
            if one.deployment_id != deployment_id or one.status not in _RANKS:
                continue
            queued_at[one.thing] = max(queued_at.get(one.thing, 0.0), one.queued_at)
        part = one.component if isinstance(one, InstalledComponent) else ""
        key = (one.thing, f"{type(one).__name__}/{part}")
        if key not in newest or one.order > newest[key].order:
            newest[key] = one
    return _by_thing(newest.values(), queued_at)


def _by_thing(newest: Iterable[Observation], queued_at: dict[str, float]) -> dict[str, DeviceState]:
    found: dict[str, dict[str, Any]] = {}
    for one in newest:
        device = found.setdefault(one.thing, {"installed": []})
        match one:
            case ReceivedHeartbeat():
                device["heartbeat"] = one
            case JobExecution():
                device["execution"] = one
            case InstalledComponent():
                device["installed"].append(one)
            case Registered():
                device["is_registered"], device["runtime"] = True, one.runtime
    for thing, device in found.items():
        execution: JobExecution | None = device.get("execution")
        if execution and execution.queued_at != queued_at[thing]:
            fields = {**vars(execution), "queued_at": queued_at[thing]}
            device["execution"] = JobExecution(**fields)
        device["installed"] = tuple(sorted(device["installed"], key=lambda one: one.component))
    return {thing: DeviceState(**device) for thing, device in found.items()}
