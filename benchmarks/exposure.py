"""Simulations of seeded fleets: the exposure of a release until the gate stops it.

The plan (`deeplens.config.rollout`), the selection of a wave's devices and the gate are production
code. `testkit.simulated_fleet.fault_model` draws the outcome on each device from a seed.
"""

import random
from dataclasses import dataclass, field

from deeplens.config.rollout import (
    Moment,
    RateConfig,
    RolloutConfig,
    WaveConfig,
    timeline,
)
from shared.fleet.device_state import (
    InstalledComponent,
    JobExecution,
    Observation,
    ReceivedHeartbeat,
    Registered,
)
from shared.fleet.gate import (
    GateResult,
    GateRule,
    RolloutTarget,
    evaluate_gate,
)
from shared.fleet.rollout import share_of
from testkit.heartbeats import received_heartbeat
from testkit.simulated_fleet.fault_model import FaultDraw, FaultRates, draw

_LOOK_SECONDS = 5.0
_HEARTBEAT_SECONDS = 5.0
_BEGIN = 1_000_000.0
_NEW, _OLD = "a" * 64, "b" * 64


@dataclass(frozen=True)
class Journey:
    """The result of one release on one fleet."""

    # The largest difference during the rollout between the number of devices with the release and
    # the number that the plan allows at that time.
    beyond_the_plan: int
    exposed: int
    passed: bool
    # Percentage of bad devices among the reachable devices that have a job.
    truly_bad_percent: float
    error_percent: float


@dataclass
class _Device:
    """The outcome of the release on one device; times are in simulated seconds."""

    thing: str
    draw: FaultDraw
    # The time at which the device receives the job; None if no job is queued.
    queued_at: float | None = None
    deployment: str = ""

    @property
    def ends_at(self) -> float:
        away = self.draw.away_seconds if self.draw.loses_power else 0.0
        return (self.queued_at or 0.0) + self.draw.seconds + away

    def observations(self, now: float) -> list[Observation]:
        """Return the observations that the cloud has received by `now`."""
        beat_at = now - now % _HEARTBEAT_SECONDS
        if self.draw.is_offline:
            beat_at = _BEGIN - 5000.0
        if self.queued_at is None or now < self.queued_at:
            return [Registered(self.thing), self._beat(beat_at, _OLD)]
        status = "QUEUED" if self.draw.is_offline else "IN_PROGRESS"
        begun = JobExecution(
            self.thing, self.deployment, status, self.queued_at, queued_at=self.queued_at
        )
        if self.draw.is_offline:
            return [Registered(self.thing), begun, self._beat(beat_at, _OLD)]
        if now < self.ends_at:
            return [begun, self._beat(self.queued_at, _OLD)]
        failed = self.draw.outcome == "fails"
        status = "FAILED" if failed else "SUCCEEDED"
        observations: list[Observation] = [begun, JobExecution(self.thing, self.deployment, status,
                                                    self.ends_at)]  # fmt: skip
        match self.draw.outcome:
            case "fails":
                observations.append(self._beat(max(beat_at, self.ends_at), _OLD))
            case "breaks":
                observations.append(
                    InstalledComponent(self.thing, "app", "2", "BROKEN", self.ends_at + 3, "ended")
                )
            case "no frames":
                observations.append(self._beat(max(beat_at, self.ends_at), _NEW, frames=0))
            case "good":
                observations.append(self._beat(max(beat_at, self.ends_at), _NEW))
        return observations

    def _beat(self, at: float, digest: str, frames: int = 5) -> ReceivedHeartbeat:
        uptime = at - self.ends_at if digest == _NEW else 5000.0
        return received_heartbeat(
            self.thing, at, version=int(at), status="running" if frames else "starting",
            model_digest=digest, function_arn=digest, frames=frames, frames_per_second=2.0,
            interval_seconds=_HEARTBEAT_SECONDS, uptime_seconds=max(uptime, 0.0),
        )  # fmt: skip


@dataclass
class _Fleet:
    rollout: RolloutConfig
    devices: dict[str, _Device]
    now: float = _BEGIN
    beyond: int = -(10**9)
    taken: set[str] = field(default_factory=set)

    def run(self, moments: list[Moment]) -> GateResult:
        steps: list[tuple[str, set[str], int, int]] = [
            (f"wave {number}:", share_of(self.devices.keys(), wave.percent or 0.0),
             wave.wait_seconds, wave.bake_seconds)
            for number, wave in enumerate(self.rollout.waves, start=1)
        ]  # fmt: skip
        steps.append(
            ("fleet", set(self.devices), self.rollout.wait_seconds,
             self.rollout.bake_seconds)
        )  # fmt: skip
        for what, members, wait, bake in steps:
            is_wave = what.startswith("wave")
            allowed = [
                moment
                for moment in moments
                if (moment.what.startswith(what) if is_wave else not moment.what.startswith("wave"))
            ]
            verdict = self._step(what, members, allowed, wait, bake)
            if verdict.state != "passed":
                return verdict
        return verdict

    def _step(
        self, deployment: str, members: set[str], allowed: list[Moment], wait: int, bake: int
    ) -> GateResult:
        begin = self.now
        self._queue(deployment, members)
        goal = RolloutTarget(deployment, begin, begin, begin + wait, _NEW, _NEW)
        plan = self.rollout.to_plan()["rule"]
        rule = GateRule(**{**plan, "minimum_devices": 0})
        baked_at: float | None = None
        while True:
            self.now += _LOOK_SECONDS
            self._count(allowed, self.now - begin)
            observations = [
                observation
                for thing in members
                for observation in self.devices[thing].observations(self.now)
            ]
            verdict = evaluate_gate(goal, rule, members, observations, self.now)
            if verdict.state == "failed":
                return verdict
            if verdict.state == "passed":
                baked_at = baked_at or self.now + bake
                if self.now >= baked_at:
                    return verdict

    def _queue(self, deployment: str, members: set[str]) -> None:
        """Queue the deployment's job, which the devices receive at the rollout's rate."""
        rate = self.rollout.rate
        per_minute = rate.maximum_per_minute if rate else None
        waiting = sorted(members)
        for number, thing in enumerate(waiting):
            device = self.devices[thing]
            device.deployment = deployment
            if device.queued_at is None:
                device.queued_at = self.now + (60.0 * number / per_minute if per_minute else 0.0)

    def _count(self, allowed: list[Moment], since: float) -> None:
        for device in self.devices.values():
            is_queued = device.queued_at is not None and device.queued_at <= self.now
            if is_queued and not device.draw.is_offline:
                self.taken.add(device.thing)
        first = allowed[0].at_seconds
        now_allowed = [moment for moment in allowed if moment.at_seconds - first <= since]
        self.beyond = max(self.beyond, len(self.taken) - now_allowed[-1].exposed_devices)


def journey(seed: int, size: int = 1000) -> Journey:
    """Draw a plan, a fleet and a release from the seed, and return the result of the rollout."""
    drawn = random.Random(seed)  # noqa: S311 - deterministic, not for security
    shares = drawn.choice([(1.0, 10.0, 50.0), (5.0, 25.0), (2.0,), (10.0, 30.0, 60.0)])
    rollout = RolloutConfig(
        wait_seconds=240,
        success_percent=drawn.choice([90.0, 95.0, 98.0]),
        error_percent=drawn.choice([0.0, 1.0, 2.0, 5.0]),
        rate=drawn.choice([None, RateConfig(maximum_per_minute=300)]),
        waves=tuple(
            WaveConfig(percent=share, wait_seconds=60, bake_seconds=drawn.choice([0, 30]))
            for share in shares
        ),
    )
    bad = drawn.choice([0.0, 0.01, 0.05, 0.2, 0.5, 1.0])
    kind = drawn.choice(["fails", "no_frames", "breaks"])
    fault_rates = FaultRates(
        offline=drawn.uniform(0, 0.2),
        power_loss=drawn.uniform(0, 0.1),
        slow=drawn.uniform(0, 0.3),
        clock_skew_seconds=3600.0,
        **{kind: bad},
    )
    things = [f"cam-{seed}-{number:04d}" for number in range(size)]
    devices = {thing: _Device(thing, draw(fault_rates, seed, thing, "new")) for thing in things}
    fleet = _Fleet(rollout, devices)
    verdict = fleet.run(timeline(rollout, size, {}))
    reached = [
        device for device in devices.values() if device.queued_at and not device.draw.is_offline
    ]
    truly_bad = sum(device.draw.outcome != "good" for device in reached)
    return Journey(
        beyond_the_plan=fleet.beyond,
        exposed=len(fleet.taken),
        passed=verdict.state == "passed",
        truly_bad_percent=100.0 * truly_bad / max(len(reached), 1),
        error_percent=rollout.error_percent + 100 - rollout.success_percent,
    )
