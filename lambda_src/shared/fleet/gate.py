"""The gate: a pure function from observations of devices to the result of a rollout."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

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
# "retry": the same components must be deployed a second time before the gate has a result.
GateState = Literal["passed", "failed", "pending", "retry"]

NOT_FINISHED = "the job did not finish"

# The time over which a camera averages its frame rate. A rate reported after a shorter uptime is
# therefore not reliable.
_FRAME_RATE_SECONDS = 30.0


@dataclass(frozen=True)
class GateRule:
    """The condition on the reachable devices under which a release is verified.

    Attributes:
        success_percent: share of the reachable devices that must run the release.
        error_percent: share of the reachable devices that may fail; a higher share ends the wait.
        minimum_devices: minimum number of devices that must run the release.
        offline_after_seconds: time after the device's job was queued. A silent device that has not
            started the job by then is offline.
        minimum_frames_per_second: lowest frame rate of each device; 0 accepts any rate.
        minimum_detections: lowest number of detections of each device since the start of the
            release; 0 accepts any number.
    """

    success_percent: float = 100.0
    error_percent: float = 0.0
    minimum_devices: int = 0
    offline_after_seconds: float = 20.0
    minimum_frames_per_second: float = 0.0
    minimum_detections: int = 0

    @classmethod
    def of(cls, plan: dict[str, Any]) -> Self:
        """Return the rule of a rollout plan (`RolloutConfig.to_plan`).

        Deploys, manual rollbacks and promotions read the same rule, so they apply the same
        condition.
        """
        return cls(**plan["rule"])


@dataclass(frozen=True)
class RolloutTarget:
    """The state that devices must report to pass the gate.

    Without a model digest, a finished deployment is sufficient. Times are seconds since the epoch
    by the cloud's clock.

    Attributes:
        created_at: creation of the deployment.
        watched_since: start of the wait.
        deadline: end of the wait.
        absent: components that the deployment removes.
        components: names and versions of the deployment's components.
        may_retry: the components may be deployed a second time for devices without credentials or
            a connection.
    """

    deployment_id: str
    created_at: float
    watched_since: float
    deadline: float
    model_digest: str | None = None
    function_arn: str | None = None
    absent: frozenset[str] = frozenset()
    components: frozenset[tuple[str, str]] = frozenset()
    may_retry: bool = False

    @property
    def half_time(self) -> float:
        """The time from which a second attempt no longer waits for the other devices."""
        return (self.watched_since + self.deadline) / 2


@dataclass(frozen=True)
class DeviceFinding:
    """The conclusion from the observations of one device.

    Attributes:
        component: the broken component, or an empty string.
        is_retryable: the deployment failed, and a second attempt may succeed.
    """

    outcome: DeviceOutcome
    reason: str = ""
    error_stack: tuple[str, ...] = ()
    component: str = ""
    is_retryable: bool = False


@dataclass(frozen=True, kw_only=True)
class DeviceResult(DeviceFinding):
    """The outcome of one device, with the reason; `runtime` is empty if the nucleus is unknown."""

    thing: str
    runtime: str = ""


@dataclass(frozen=True)
class GateResult:
    """The status of each device, and the conclusion for the release.

    Attributes:
        retried: the devices of the second attempt, with the reasons for the first failure.
    """

    state: GateState
    devices: tuple[DeviceResult, ...]
    retried: tuple[DeviceResult, ...] = ()

    def with_outcome(self, outcome: DeviceOutcome) -> list[DeviceResult]:
        """Return the devices that have this outcome."""
        return [device for device in self.devices if device.outcome == outcome]

    @property
    def retryable(self) -> tuple[DeviceResult, ...]:
        """The devices on which a second attempt may succeed."""
        return tuple(device for device in self.devices if device.is_retryable)

    @property
    def reachable(self) -> int:
        """The number of devices that are not offline."""
        return len(self.devices) - len(self.with_outcome("offline"))


def evaluate_gate(
    target: RolloutTarget,
    rule: GateRule,
    things: Iterable[str],
    observations: Iterable[Observation],
    now: float,
) -> GateResult:
    """Evaluate a deployment on `things` at `now`, in seconds since the epoch.

    The result depends only on the arguments, and not on the order of the observations.
    """
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
    # A second attempt would restart the deployment on devices that still carry out the first
    # attempt. Until half of the wait is over, the gate lets these devices finish.
    if retryable and (retryable == count["waiting"] or now >= target.half_time):
        return "retry"
    if count["waiting"] and in_time:
        return "pending"
    if enough:
        return "passed"
    # Offline devices can still reconnect, so the minimum can still be reached.
    missing = count["good"] < rule.minimum_devices and count["offline"]
    return "pending" if missing and in_time else "failed"


def _device(
    target: RolloutTarget, rule: GateRule, thing: str, device: DeviceState, now: float
) -> DeviceResult:
    finding = _finding(target, rule, device, now)
    return DeviceResult(**vars(finding), thing=thing, runtime=device.runtime)


def _finding(
    target: RolloutTarget, rule: GateRule, device: DeviceState, now: float
) -> DeviceFinding:
    """Return the finding for a device; the first applicable rule determines it."""
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
    """Return a failure's finding: `waiting` if its cause may still arrive or a retry may help."""
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
    """Return whether the device reports the release while its job remains IN_PROGRESS.

    A core device can lose the job's last update. Only a process that started after the deployment
    counts, because the previous release may have the same digest and function.
    """
    execution, heartbeat = device.execution, device.heartbeat
    if not execution or execution.status != "IN_PROGRESS" or not heartbeat:
        return False
    started_after = heartbeat.uptime_seconds > 0 and heartbeat.started_at >= target.created_at - 1
    is_broken = any(
        installed.state == "BROKEN" and installed.reported_at >= heartbeat.received_at
        for installed in device.installed
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
    """Yield findings about a device whose deployment succeeded; the first finding applies.

    A successful deployment alone does not verify the release.
    """
    heartbeat = device.heartbeat
    for installed in device.installed:
        if installed.reported_at < execution.at - 1:
            continue
        if installed.component in target.absent:
            yield DeviceFinding("waiting", f"still has {installed.component}")
        recovered = heartbeat and heartbeat.received_at > installed.reported_at
        if installed.state == "BROKEN" and not recovered:
            detail = f": {installed.detail}" if installed.detail else ""
            reason = f"deployment SUCCEEDED, but {installed.component} is BROKEN{detail}"
            yield DeviceFinding("failed", reason, ("COMPONENT_BROKEN",), installed.component)
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
    """Yield a phrase for each condition that the heartbeat does not meet yet."""
    # During its first start, a camera with a generic component installs the runtime and has no
    # model.
    if heartbeat is None or heartbeat.status == "installing":
        yield "is installing its Python environment" if heartbeat else "never sent a heartbeat"
        return
    # A heartbeat of the previous process does not describe the release.
    if heartbeat.received_at < int(execution.at) and heartbeat.started_at < target.created_at - 1:
        yield "sent no heartbeat since"
    yield from deviations(heartbeat, rule, target.model_digest, target.function_arn)


def deviations(
    heartbeat: ReceivedHeartbeat, rule: GateRule, model_digest: str | None, function_arn: str | None
) -> Iterator[str]:
    """Yield a phrase for each difference between a heartbeat and the state that the gate requires.

    A device runs the release if there are no differences. Only this function defines the state.

    Args:
        heartbeat: the last heartbeat of the device.
        rule: the gate's rule in the environment.
        model_digest: digest of the release's artifact.
        function_arn: ARN of the release's function version.
    """
    if heartbeat.model_digest != model_digest:
        yield f"its heartbeat names model {heartbeat.model_digest}, not {model_digest}"
    if heartbeat.function_arn != function_arn:
        yield f"its heartbeat names function {heartbeat.function_arn}, not {function_arn}"
    if heartbeat.frames == 0 or heartbeat.status != "running":
        frames = f"{heartbeat.frames} frames" if heartbeat.frames else "without a frame"
        cause = f"; last error: {heartbeat.last_error}" if heartbeat.last_error else ""
        yield f"is {heartbeat.status}, {frames}{cause}"
    if rule.minimum_frames_per_second:
        if heartbeat.uptime_seconds < _FRAME_RATE_SECONDS:
            yield "its frame rate is not known yet"
        if heartbeat.frames_per_second < rule.minimum_frames_per_second:
            yield (
                f"processes {heartbeat.frames_per_second:g} frames per second, "
                f"the rule requires {rule.minimum_frames_per_second:g}"
            )
    if heartbeat.detections < rule.minimum_detections:
        yield (
            f"has {heartbeat.detections} detections on {heartbeat.frames} frames, "
            f"the rule requires {rule.minimum_detections}"
        )
