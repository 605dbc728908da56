"""Status of each device of a fleet, and its deviations from the current deployment."""

from dataclasses import dataclass

from deeplens.fleet.session import FleetSession
from shared.fleet.deployments import Deployment
from shared.fleet.device_state import ReceivedHeartbeat
from shared.fleet.gate import DeviceResult, evaluate_gate
from shared.fleet.late_verification import query_devices, target_of


@dataclass(frozen=True)
class DeviceStatus:
    """The status of one device, and its deviations from the current deployment.

    Attributes:
        `standing`: the outcome at the gate: good, waiting, failed or offline.
        status: the status in the last heartbeat; `never connected` without a heartbeat.
        running_since: seconds since the epoch, by the cloud's clock.
        last_frame_at: ISO 8601, by the camera's clock.
        wave: the number of the first wave that contains the device; None if no wave contains it.
        drift: the deviations from the current deployment; an empty string if there are none.
        disk_free_bytes: free space of the file system with the device's artifacts.
        memory_available_bytes: available memory of the device.
    """

    thing: str
    standing: str
    status: str
    model_version: str | None
    model_digest: str | None
    function: str | None
    running_since: float | None
    last_frame_at: str | None
    frames_per_second: float | None
    wave: str | None
    drift: str
    disk_free_bytes: int | None = None
    memory_available_bytes: int | None = None


def fleet_status(session: FleetSession, current: Deployment, now: float) -> list[DeviceStatus]:
    """Return each device's status and its deviations from the deployment `current`.

    The current time, `now`, is in seconds since the epoch.
    """
    things = session.things()
    rule, target = session.plan.rule, target_of(current, now)
    observations = query_devices(session.fleet, things, current)
    waves = _waves(session)
    result = evaluate_gate(target, rule, things, observations, now)
    if failed := [device.thing for device in result.with_outcome("failed")]:
        # Executions of IoT jobs contain no failure reasons, so the devices' deployments are
        # queried.
        reasons = session.fleet.effective(failed, current.id)
        observations += [execution for executions in reasons.values() for execution in executions]
        result = evaluate_gate(target, rule, things, observations, now)
    heartbeats = {
        observation.thing: observation
        for observation in observations
        if isinstance(observation, ReceivedHeartbeat)
    }
    return [
        _device_status(device, heartbeats.get(device.thing), waves.get(device.thing))
        for device in result.devices
    ]


def _device_status(
    device: DeviceResult, heartbeat: ReceivedHeartbeat | None, wave: str | None
) -> DeviceStatus:
    model = heartbeat.reported.model if heartbeat else None
    memory = heartbeat.reported.memory if heartbeat else None
    return DeviceStatus(
        thing=device.thing,
        standing=device.outcome,
        status=heartbeat.status if heartbeat else "never connected",
        model_version=(model.version or None) if model else None,
        model_digest=heartbeat.model_digest if heartbeat else None,
        function=heartbeat.function_arn if heartbeat else None,
        running_since=heartbeat.started_at if heartbeat else None,
        last_frame_at=heartbeat.reported.last_frame_at if heartbeat else None,
        frames_per_second=heartbeat.frames_per_second if heartbeat else None,
        wave=wave,
        drift=device.reason,
        disk_free_bytes=heartbeat.disk_free_bytes if heartbeat else None,
        memory_available_bytes=memory.available_bytes if memory else None,
    )


def _waves(session: FleetSession) -> dict[str, str]:
    """Return the number of each device's first wave, by thing name.

    Devices that belong to no wave are absent.
    """
    numbers: dict[str, str] = {}
    for number, wave in enumerate(session.waves, start=1):
        for thing in session.things_of(wave):
            numbers.setdefault(thing, str(number))
    return numbers
