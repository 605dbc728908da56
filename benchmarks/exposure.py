"""Seeded fleets in virtual time: how far a release gets before the real gate closes.

The plan (`deeplens.config.rollout`), the choice of a wave's devices and the gate are the project's
own code; what happens on a device is drawn from a seed by `testkit.simulated_fleet.fault_model`.
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
from testkit.simulated_fleet.fault_model import FaultDraw, FaultRates, draw

_LOOK_SECONDS = 5.0
_HEARTBEAT_SECONDS = 5.0
_BEGIN = 1_000_000.0
_NEW, _OLD = "a" * 64, "b" * 64


@dataclass(frozen=True)
class Journey:
    """How one release went on one fleet."""

    # At most, over all moments: devices that took it, less what the plan allows then.
    beyond_the_plan: int
    exposed: int
    passed: bool
    # Of the devices that could be reached, in percent.
    truly_bad_percent: float
    error_percent: float


@dataclass
class _Device:
    """What one device does with the release; times are seconds of the simulation."""

    thing: str
    draw: FaultDraw
    # When it was told; None before.
    told_at: float | None = None
    deployment: str = ""

    @property
    def ends_at(self) -> float:
        away = self.draw.away_seconds if self.draw.loses_power else 0.0
        return (self.told_at or 0.0) + self.draw.seconds + away

    def news(self, now: float) -> list[Observation]:
        """What the cloud knows of it by `now`."""
        beat_at = now - now % _HEARTBEAT_SECONDS
        if self.draw.is_offline:
            beat_at = _BEGIN - 5000.0
        if self.told_at is None or now < self.told_at:
            return [Registered(self.thing), self._beat(beat_at, _OLD)]
        status = "QUEUED" if self.draw.is_offline else "IN_PROGRESS"
        begun = JobExecution(
            self.thing, self.deployment, status, self.told_at, queued_at=self.told_at
        )
        if self.draw.is_offline:
            return [Registered(self.thing), begun, self._beat(beat_at, _OLD)]
        if now < self.ends_at:
            return [begun, self._beat(self.told_at, _OLD)]
        failed = self.draw.outcome == "fails"
        status = "FAILED" if failed else "SUCCEEDED"
        news: list[Observation] = [begun, JobExecution(self.thing, self.deployment, status,
                                                    self.ends_at)]  # fmt: skip
        match self.draw.outcome:
            case "fails":
                news.append(self._beat(max(beat_at, self.ends_at), _OLD))
            case "breaks":
                news.append(
                    InstalledComponent(self.thing, "app", "2", "BROKEN", self.ends_at + 3, "ended")
                )
            case "no frames":
                news.append(self._beat(max(beat_at, self.ends_at), _NEW, frames=0))
            case "good":
                news.append(self._beat(max(beat_at, self.ends_at), _NEW))
        return news

    def _beat(self, at: float, digest: str, frames: int = 5) -> ReceivedHeartbeat:
        uptime = at - self.ends_at if digest == _NEW else 5000.0
        return ReceivedHeartbeat(
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
            ("the whole fleet", set(self.devices), self.rollout.wait_seconds,
             self.rollout.bake_seconds)
        )  # fmt: skip
        for what, members, wait, bake in steps:
            allowed = [one for one in moments if one.what.startswith(what)]
            verdict = self._step(what, members, allowed, wait, bake)
            if verdict.state != "passed":
                return verdict
        return verdict

    def _step(
        self, deployment: str, members: set[str], allowed: list[Moment], wait: int, bake: int
    ) -> GateResult:
        begin = self.now
        self._tell(deployment, members)
        goal = RolloutTarget(deployment, begin, begin, begin + wait, _NEW, _NEW)
        plan = self.rollout.to_plan()["rule"]
        rule = GateRule(**{**plan, "minimum_devices": 0})
        baked_at: float | None = None
        while True:
            self.now += _LOOK_SECONDS
            self._count(allowed, self.now - begin)
            news = [one for thing in members for one in self.devices[thing].news(self.now)]
            verdict = evaluate_gate(goal, rule, members, news, self.now)
            if verdict.state == "failed":
                return verdict
            if verdict.state == "passed":
                baked_at = baked_at or self.now + bake
                if self.now >= baked_at:
                    return verdict

    def _tell(self, deployment: str, members: set[str]) -> None:
        """Queue the job; its rate says who learns of it when."""
        rate = self.rollout.rate
        per_minute = rate.maximum_per_minute if rate else None
        waiting = sorted(members)
        for number, thing in enumerate(waiting):
            device = self.devices[thing]
            device.deployment = deployment
            if device.told_at is None:
                device.told_at = self.now + (60.0 * number / per_minute if per_minute else 0.0)

    def _count(self, allowed: list[Moment], since: float) -> None:
        for device in self.devices.values():
            told = device.told_at is not None and device.told_at <= self.now
            if told and not device.draw.is_offline:
                self.taken.add(device.thing)
        first = allowed[0].at_seconds
        now_allowed = [one for one in allowed if one.at_seconds - first <= since]
        self.beyond = max(self.beyond, len(self.taken) - now_allowed[-1].exposed_devices)


def journey(seed: int, size: int = 1000) -> Journey:
    """Draw a plan, a fleet and a release, and let the gate do its work."""
    drawn = random.Random(seed)  # noqa: S311 - seeded on purpose
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
    reached = [one for one in devices.values() if one.told_at and not one.draw.is_offline]
    truly_bad = sum(one.draw.outcome != "good" for one in reached)
    return Journey(
        beyond_the_plan=fleet.beyond,
        exposed=len(fleet.taken),
        passed=verdict.state == "passed",
        truly_bad_percent=100.0 * truly_bad / max(len(reached), 1),
        error_percent=rollout.error_percent + 100 - rollout.success_percent,
    )
