"""A wait sends a limited number of queries, and continues after a failed query.

The tests use a simulated clock.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.fleet import monitor
from shared.fleet.deployments import Deployment
from shared.fleet.device_state import (
    LITE,
    JobExecution,
    Observation,
    Registered,
)
from shared.fleet.gate import GateRule, RolloutTarget
from shared.fleet.monitor import MonitorResult, RolloutMonitor
from testkit.heartbeats import received_heartbeat

BEGIN = 1_000_000.0
WAIT_SECONDS = 300.0
DIGEST, FUNCTION = "0" * 64, "arn:aws:lambda:eu-central-1:111111111111:function:f:1"
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "List")


@dataclass
class Clock:
    now: float = BEGIN
    pauses: list[float] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@dataclass
class Cameras:
    """A fleet that finishes the deployment at `done_at`; `silent` devices never report."""

    clock: Clock
    count: int
    done_at: float
    silent: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    status: str = "SUCCEEDED"
    codes: tuple[str, ...] = ()
    registered_queries_at: list[float] = field(default_factory=list)

    def things(self, _group: str) -> list[str]:
        return [f"camera-{number:04d}" for number in range(self.count)]

    def registered(self) -> list[Registered]:
        self.registered_queries_at.append(self.clock.now)
        return [Registered(thing) for thing in self.things("") if thing not in self.silent]

    def job_executions(self, _job: str, deployment: str) -> Iterator[JobExecution]:
        for thing in self.things(""):
            yield JobExecution(
                thing, deployment, self._status_of(thing), self.clock.now, queued_at=BEGIN
            )

    def heartbeats(self, things: Iterable[str]) -> dict[str, list[Observation]]:
        if "heartbeats" in self.denied:
            raise DENIED
        return {thing: self._heartbeat(thing) for thing in things}

    def effective(self, things: Iterable[str], deployment: str) -> dict[str, list[Observation]]:
        if "effective" in self.denied:
            raise DENIED
        return {
            thing: [
                JobExecution(
                    thing,
                    deployment,
                    self._status_of(thing),
                    self.clock.now,
                    reason="no disk",
                    error_stack=self.codes,
                )
            ]
            for thing in things
        }

    def installed(self, things: Iterable[str]) -> dict[str, list[Observation]]:
        if "installed" in self.denied:
            raise DENIED
        return {thing: [] for thing in things}

    def _status_of(self, thing: str) -> str:
        is_done = self.clock.now >= self.done_at and thing not in self.silent
        return self.status if is_done else "QUEUED"

    def _heartbeat(self, thing: str) -> list[Observation]:
        if thing in self.silent:
            return []
        now = self.clock.now
        return [
            received_heartbeat(
                thing,
                now,
                int(now),
                status="running",
                model_digest=DIGEST,
                function_arn=FUNCTION,
                frames=9,
                interval_seconds=5,
            )
        ]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(monitor, "time", made)
    return made


def outcome(cameras: Any, *, may_retry: bool = False) -> MonitorResult:
    deployment = Deployment(
        "d-1", "arn:aws:iot:eu-central-1:111111111111:thinggroup/cameras", "ACTIVE", "job", BEGIN,
        {}, {}, {}, {},
    )  # fmt: skip
    target = RolloutTarget(
        "d-1", BEGIN, BEGIN, BEGIN + WAIT_SECONDS, DIGEST, FUNCTION, may_retry=may_retry
    )
    return RolloutMonitor(cameras, "cameras", deployment, lambda: deployment).wait(
        target, GateRule()
    )


def test_the_accounts_core_devices_are_not_listed_when_each_member_has_reported(
    clock: Clock,
) -> None:
    cameras = Cameras(clock, 3, done_at=BEGIN + 100)
    assert outcome(cameras).passed
    assert cameras.registered_queries_at == []


def test_they_are_listed_at_most_every_ten_seconds_for_a_member_that_never_reported(
    clock: Clock,
) -> None:
    cameras = Cameras(clock, 3, done_at=BEGIN + 100, silent=frozenset({"camera-0001"}))
    result = outcome(cameras)
    assert result.passed
    assert [one.thing for one in result.gate.with_outcome("offline")] == ["camera-0001"]
    times = cameras.registered_queries_at
    assert times
    assert all(later - earlier >= 10 for earlier, later in pairwise(times))


@pytest.mark.parametrize(("count", "longest"), [(3, 5.0), (1000, 8.0), (2000, 15.0)])
def test_a_larger_fleet_is_looked_at_less_often_and_never_at_the_same_moments(
    clock: Clock, count: int, longest: float
) -> None:
    assert outcome(Cameras(clock, count, done_at=BEGIN + 200)).passed
    assert clock.pauses[0] <= 0.5 * 1.2
    assert longest * 0.8 <= max(clock.pauses) <= longest * 1.2
    assert len(set(clock.pauses)) == len(clock.pauses)


def test_a_wait_ends_at_its_deadline(clock: Clock) -> None:
    result = outcome(Cameras(clock, 3, done_at=BEGIN + 1000))
    assert not result.passed
    assert clock.now - BEGIN <= WAIT_SECONDS + 1


@pytest.mark.parametrize("denied", ["effective", "installed"])
def test_details_that_are_denied_change_no_verdict(clock: Clock, denied: str) -> None:
    good = Cameras(clock, 3, done_at=BEGIN + 10, denied=frozenset({denied}))
    assert outcome(good).passed
    clock.now = BEGIN
    bad = Cameras(clock, 3, done_at=BEGIN + 10, denied=frozenset({denied}), status="FAILED")
    result = outcome(bad)
    verdict = result.gate
    assert verdict.state == "failed"
    assert result.unanswered == (str(DENIED),)
    reasons = {one.reason for one in verdict.with_outcome("failed")}
    assert reasons == {
        "deployment FAILED: " + ("no disk" if denied == "installed" else "no reason given")
    }


def test_a_fleet_that_may_not_be_read_is_named_at_the_deadline(clock: Clock) -> None:
    cameras = Cameras(clock, 3, done_at=BEGIN + 10, denied=frozenset({"heartbeats"}))
    result = outcome(cameras)
    assert not result.passed
    assert result.stopped == f"AWS did not answer the queries about the fleet in time: {DENIED}"


@pytest.mark.parametrize("denied", [False, True])
def test_the_nucleus_of_a_failed_device_is_asked_for_and_not_required(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, *, denied: bool
) -> None:
    def registered(cameras: Cameras) -> list[Registered]:
        if denied:
            raise DENIED
        return [Registered(thing, LITE) for thing in cameras.things("")]

    monkeypatch.setattr(Cameras, "registered", registered)
    result = outcome(Cameras(clock, 3, done_at=BEGIN + 10, status="FAILED"))
    assert {one.runtime for one in result.gate.with_outcome("failed")} == {"" if denied else LITE}
    assert result.unanswered == ((str(DENIED),) if denied else ())


def test_a_wait_ends_when_another_attempt_can_help(clock: Clock) -> None:
    cameras = Cameras(clock, 3, done_at=BEGIN + 10, status="FAILED", codes=("NETWORK_ERROR",))
    result = outcome(cameras, may_retry=True)
    assert (result.gate.state, len(result.gate.retryable)) == ("retry", 3)
    assert not result.passed
    assert clock.now < BEGIN + 30
