"""What runs where, since when, and what is not as planned."""

from dataclasses import dataclass

from deeplens.fleet.session import FleetSession
from shared.fleet.deployments import FUNCTION_TAG, MODEL_TAG, Deployment
from shared.fleet.device_state import Observation, ReceivedHeartbeat
from shared.fleet.gate import DeviceResult, RolloutTarget, evaluate_gate


@dataclass(frozen=True)
class DeviceStatus:
    """The status of one device, and its deviations from the plan.

    Attributes:
        standing: the verdict of the gate: good, waiting, failed or offline.
        status: as the camera reports it.
        running_since: seconds since the epoch, by the cloud's clock.
        last_frame_at: ISO 8601, by the camera's clock.
        wave: the number of the first wave that the device is in.
        drift: the deviations from the plan; empty if there are none.
        disk_free_bytes: of the file system that has the device's artifacts.
        memory_available_bytes: of the device.
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


def fleet_status(site: FleetSession, current: Deployment, now: float) -> list[DeviceStatus]:
    """Ask about every device, and compare it with the fleet's current deployment."""
    things = site.things()
    answers = site.fleet.heartbeats(things)
    observations: list[Observation] = [one for answer in answers.values() for one in answer]
    observations += site.fleet.registered()
    observations += site.fleet.job_executions(current.job_id, current.id)
    goal = RolloutTarget(
        deployment_id=current.id,
        created_at=current.created_at,
        watched_since=now,
        deadline=now,
        model_digest=current.tags.get(MODEL_TAG),
        function_arn=current.tags.get(FUNCTION_TAG),
    )
    waves = _waves(site)
    verdict = evaluate_gate(goal, site.plan.rule, things, observations, now)
    if failed := [one.thing for one in verdict.with_outcome("failed")]:
        # A job's executions have no reasons.
        reasons = site.fleet.effective(failed, current.id)
        observations += [one for answer in reasons.values() for one in answer]
        verdict = evaluate_gate(goal, site.plan.rule, things, observations, now)
    beats = {one.thing: one for one in observations if isinstance(one, ReceivedHeartbeat)}
    return [_row(one, beats.get(one.thing), waves.get(one.thing)) for one in verdict.devices]


def _row(device: DeviceResult, beat: ReceivedHeartbeat | None, wave: str | None) -> DeviceStatus:
    model = beat.reported.model if beat else None
    memory = beat.reported.memory if beat else None
    return DeviceStatus(
        thing=device.thing,
        standing=device.outcome,
        status=beat.status if beat else "never heard of",
        model_version=(model.version or None) if model else None,
        model_digest=beat.model_digest if beat else None,
        function=beat.function_arn if beat else None,
        running_since=beat.started_at if beat else None,
        last_frame_at=beat.reported.last_frame_at if beat else None,
        frames_per_second=beat.frames_per_second if beat else None,
        wave=wave,
        drift=device.reason,
        disk_free_bytes=beat.disk_free_bytes if beat else None,
        memory_available_bytes=memory.available_bytes if memory else None,
    )


def _waves(site: FleetSession) -> dict[str, str]:
    """Number the first wave of each device that is in one."""
    found: dict[str, str] = {}
    for number, wave in enumerate(site.waves, start=1):
        for thing in site.things_of(wave):
            found.setdefault(thing, str(number))
    return found
