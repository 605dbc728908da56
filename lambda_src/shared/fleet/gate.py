"""The gate: a pure function from what was observed to whether a release may stay."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from shared.fleet.device_state import (
    FAILED,
    SUCCEEDED,
    DeviceState,
    JobExecution,
    Observation,
    ReceivedHeartbeat,
    latest_by_device,
)
from shared.fleet.failures import failure_of

DeviceOutcome = Literal["good", "waiting", "failed", "offline"]
# "retry": the same set must be deployed once more before there is a result.
GateState = Literal["passed", "failed", "pending", "retry"]

NOT_FINISHED = "the job did not finish"

# The heartbeat's frame rate is over so many seconds; before, it says little.
_FRAME_RATE_SECONDS = 30.0


@dataclass(frozen=True)
class GateRule:
    """When a release may stay on the devices that can be reached."""

    success_percent: float = 100.0
    # More failures than this end the wait at once.
    error_percent: float = 0.0
    minimum_devices: int = 0
    # A silent core device that does not take the deployment in this time counts as offline.
    offline_after_seconds: float = 20.0
    minimum_frames_per_second: float = 0.0
    # Since the function started with the release, by each device.
    minimum_detections: int = 0


@dataclass(frozen=True)
class RolloutTarget:
    """What devices must report; with no model, that they finished the deployment is enough.

    Times are seconds since the epoch by the cloud's clock: when the deployment was created, when
    somebody began to watch, and when patience ends.
    """

    deployment_id: str
    created_at: float
    watched_since: float
    deadline: float
    model_digest: str | None = None
    function_arn: str | None = None
    # Components that must be gone in the end.
    absent: frozenset[str] = frozenset()
    # Names and versions of the deployment's components.
    components: frozenset[tuple[str, str]] = frozenset()
    # Whether the set may be deployed once more for devices without credentials or a connection.
    may_retry: bool = False

    @property
    def half_time(self) -> float:
        """The time from which a second attempt does not wait for the other devices."""
        return (self.watched_since + self.deadline) / 2


@dataclass(frozen=True)
class DeviceFinding:
    """The conclusion from the observations of one device.

    Attributes:
        component: the component that is broken, or an empty string.
        is_retryable: the deployment failed, and a second attempt may succeed.
    """

    outcome: DeviceOutcome
    reason: str = ""
    error_stack: tuple[str, ...] = ()
    component: str = ""
    is_retryable: bool = False


@dataclass(frozen=True, kw_only=True)
class DeviceResult(DeviceFinding):
    """The status of one device, and its reason; `runtime` is empty if its nucleus is not known."""

    thing: str
    runtime: str = ""


@dataclass(frozen=True)
class GateResult:
    """The status of each device, and the conclusion for the release.

    Attributes:
        retried: the devices for which the set was deployed a second time, with the first reasons.
    """

    state: GateState
    devices: tuple[DeviceResult, ...]
    retried: tuple[DeviceResult, ...] = ()

    def with_outcome(self, outcome: DeviceOutcome) -> list[DeviceResult]:
        """The devices with a outcome."""
        return [one for one in self.devices if one.outcome == outcome]

    @property
    def retryable(self) -> tuple[DeviceResult, ...]:
        """The devices that a second attempt may help."""
        return tuple(device for device in self.devices if device.is_retryable)

    @property
    def reachable(self) -> int:
        """How many devices are not offline."""
        return len(self.devices) - len(self.with_outcome("offline"))


def evaluate_gate(
    target: RolloutTarget,
    rule: GateRule,
    things: Iterable[str],
    observations: Iterable[Observation],
    now: float,
) -> GateResult:
    """Judge a deployment on `things`; nothing but the arguments counts, nor does their order."""
    states = latest_by_device(observations, target.deployment_id)
    devices = tuple(
        _device(target, rule, thing, states.get(thing, DeviceState()), now)
        for thing in sorted(set(things))
    )
    return GateResult(_state(target, rule, devices, now), devices)


def _state(
    target: RolloutTarget, rule: GateRule, devices: tuple[DeviceResult, ...], now: float
) -> GateState:
    count = dict.fromkeys(("good", "waiting", "failed", "offline"), 0)
    for device in devices:
        count[device.outcome] += 1
    reachable = len(devices) - count["offline"]
    if count["failed"] * 100 > rule.error_percent * reachable:
        return "failed"
    enough = (
        count["good"] * 100 >= rule.success_percent * reachable
        and count["good"] >= rule.minimum_devices
    )
    in_time = now < target.deadline
    retryable = sum(device.is_retryable for device in devices)
    # Devices that carry the deployment out begin again with the second one: they come first.
    if retryable and (retryable == count["waiting"] or now >= target.half_time):
        return "retry"
    if count["waiting"] and in_time:
        return "pending"
    if enough:
        return "passed"
    # Devices that come back may still make up the number.
    missing = count["good"] < rule.minimum_devices and count["offline"]
    return "pending" if missing and in_time else "failed"


def _device(
    target: RolloutTarget, rule: GateRule, thing: str, device: DeviceState, now: float
) -> DeviceResult:
    finding = _standing(target, rule, device, now)
    return DeviceResult(**vars(finding), thing=thing, runtime=device.runtime)


def _standing(
    target: RolloutTarget, rule: GateRule, device: DeviceState, now: float
) -> DeviceFinding:
    """Return the first finding about a device that applies."""
    execution = device.execution
    if execution and execution.status in FAILED:
        return _after_failure(target, device, execution, now)
    if execution and execution.status in SUCCEEDED:
        return next(_after_success(target, rule, device, execution, now))
    if now >= target.deadline and _runs_without_finishing(target, rule, device, now):
        return DeviceFinding("good", NOT_FINISHED)
    return next(_before_success(rule, device, now))


def _after_failure(
    target: RolloutTarget, device: DeviceState, execution: JobExecution, now: float
) -> DeviceFinding:
    """Return that a device failed, unless its reason is not known yet or may pass."""
    failure = failure_of(execution, device, target.components, now)
    can_wait = target.may_retry and now < target.deadline
    is_retryable = can_wait and failure.is_transient
    return DeviceFinding(
        "waiting" if is_retryable or (can_wait and failure.is_unclear) else "failed",
        failure.reason,
        failure.error_stack,
        failure.component,
        is_retryable,
    )


def _runs_without_finishing(
    target: RolloutTarget, rule: GateRule, device: DeviceState, now: float
) -> bool:
    """Return whether the device reports the release although its job never left IN_PROGRESS.

    A core can lose the job's last update. Only a process that started after the deployment counts,
    because the release before it may have the same digest and function.
    """
    execution, heartbeat = device.execution, device.heartbeat
    if not execution or execution.status != "IN_PROGRESS" or not heartbeat:
        return False
    started_after = heartbeat.uptime_seconds > 0 and heartbeat.started_at >= target.created_at - 1
    is_broken = any(
        one.state == "BROKEN" and one.reported_at >= heartbeat.received_at
        for one in device.installed
    )
    return (
        target.model_digest is not None
        and started_after
        and heartbeat.is_alive(now)
        and not is_broken
        and not any(_missing(target, rule, heartbeat, replace(execution, at=target.created_at)))
    )


def _before_success(rule: GateRule, device: DeviceState, now: float) -> Iterator[DeviceFinding]:
    execution, heartbeat = device.execution, device.heartbeat
    if execution and execution.status == "IN_PROGRESS":
        yield DeviceFinding("waiting", "is carrying the deployment out")
    if heartbeat and heartbeat.is_alive(now):
        yield DeviceFinding("waiting", "has not taken the deployment yet")
    if heartbeat is None and not device.is_registered:
        yield DeviceFinding("offline", "was never connected")
    if execution is None:
        yield DeviceFinding("waiting", "the rollout has not come to it yet")
    elif now < execution.queued_at + rule.offline_after_seconds:
        yield DeviceFinding("waiting", "is silent, but may still take the deployment")
    yield DeviceFinding("offline", "is silent")


def _after_success(
    target: RolloutTarget, rule: GateRule, device: DeviceState, execution: JobExecution, now: float
) -> Iterator[DeviceFinding]:
    """Findings about a device whose deployment says success: COMPLETED is not enough."""
    heartbeat = device.heartbeat
    for one in device.installed:
        if one.reported_at < execution.at - 1:
            continue
        if one.component in target.absent:
            yield DeviceFinding("waiting", f"still has {one.component}")
        recovered = heartbeat and heartbeat.received_at > one.reported_at
        if one.state == "BROKEN" and not recovered:
            detail = f": {one.detail}" if one.detail else ""
            reason = f"deployment SUCCEEDED, but {one.component} is BROKEN{detail}"
            yield DeviceFinding("failed", reason, ("COMPONENT_BROKEN",), one.component)
    if target.model_digest is None:
        yield DeviceFinding("good")
    for missing in _missing(target, rule, heartbeat, execution):
        yield DeviceFinding("waiting", f"finished the deployment, but {missing}")
    if heartbeat is None or heartbeat.is_alive(now):
        yield DeviceFinding("good")
    elif heartbeat.received_at + heartbeat.silence_seconds < target.watched_since:
        yield DeviceFinding("offline", "ran the release, and is silent")
    yield DeviceFinding("waiting", "ran the release, and went silent")


def _missing(
    target: RolloutTarget,
    rule: GateRule,
    heartbeat: ReceivedHeartbeat | None,
    execution: JobExecution,
) -> Iterator[str]:
    """Say what the heartbeat does not show yet; nothing when it shows all."""
    # A generic camera has no model while its first start installs the runtime.
    if heartbeat is None or heartbeat.status == "installing":
        yield "is installing its Python environment" if heartbeat else "never sent a heartbeat"
        return
    # One of the process that was replaced says nothing about the release.
    if heartbeat.received_at < int(execution.at) and heartbeat.started_at < target.created_at - 1:
        yield "sent no heartbeat since"
    if heartbeat.model_digest != target.model_digest:
        yield f"its heartbeat names model {heartbeat.model_digest}, not {target.model_digest}"
    if heartbeat.function_arn != target.function_arn:
        yield f"its heartbeat names function {heartbeat.function_arn}, not {target.function_arn}"
    if heartbeat.frames == 0 or heartbeat.status != "running":
        frames = f"{heartbeat.frames} frames" if heartbeat.frames else "without a frame"
        yield f"is {heartbeat.status}, {frames}; last error: {heartbeat.last_error}"
    if rule.minimum_frames_per_second:
        if heartbeat.uptime_seconds < _FRAME_RATE_SECONDS:
            yield "its frame rate is not known yet"
        if heartbeat.frames_per_second < rule.minimum_frames_per_second:
            yield (
                f"makes {heartbeat.frames_per_second:g} frames per second, "
                f"the rule asks for {rule.minimum_frames_per_second:g}"
            )
    if heartbeat.detections < rule.minimum_detections:
        yield (
            f"found {heartbeat.detections} things on {heartbeat.frames} frames, "
            f"the rule asks for {rule.minimum_detections}"
        )
