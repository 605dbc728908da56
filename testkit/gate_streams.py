"""Fleets whose state is known, and streams of observations that report the state."""

import random
from dataclasses import dataclass
from typing import Literal

from shared.fleet.device_state import (
    InstalledComponent,
    JobExecution,
    Observation,
    ReceivedHeartbeat,
    Registered,
)
from shared.fleet.gate import GateRule, RolloutTarget
from testkit.heartbeats import received_heartbeat

NEW, OLD = "a" * 64, "b" * 64
FUNCTION, OLD_FUNCTION = "arn:aws:lambda:r:1:function:f:2", "arn:aws:lambda:r:1:function:f:1"
CREATED = 1_000_000.0
NOW = CREATED + 100.0
TARGET = RolloutTarget("d-1", CREATED, CREATED, CREATED + 300.0, NEW, FUNCTION)
LATE = CREATED + 301.0

Truth = Literal[
    "good", "no frames", "old model", "failed", "crashed", "installing", "unfinished", "off", "new",
]  # fmt: skip
TRUTHS: tuple[Truth, ...] = (
    "good", "no frames", "old model", "failed", "crashed", "installing", "unfinished", "off", "new",
)  # fmt: skip
# The gate's expected result for each true state of a device, before the deadline.
OUTCOMES = {
    "good": "good",
    "no frames": "waiting",
    "old model": "waiting",
    "failed": "failed",
    "crashed": "failed",
    "installing": "waiting",
    "unfinished": "waiting",
    "off": "offline",
    "new": "offline",
}
# The expected results after the deadline, when the camera's report takes precedence over an
# unfinished job.
LATE_OUTCOMES = {**OUTCOMES, "unfinished": "good"}


@dataclass(frozen=True)
class Story:
    """The observations of one device, in order; only those in `passing` may be lost."""

    thing: str
    truth: Truth
    needed: tuple[Observation, ...]
    passing: tuple[Observation, ...]


def heartbeat(thing: str, at: float, version: int, **fields: object) -> ReceivedHeartbeat:
    """Return a heartbeat of the new release that arrives at `at`, in seconds since the epoch."""
    values = {"status": "running", "model_digest": NEW, "function_arn": FUNCTION, "frames": 5,
              "interval_seconds": 5.0, "uptime_seconds": 1.0}  # fmt: skip
    return received_heartbeat(thing, at, version, **{**values, **fields})  # type: ignore[arg-type]


def execution(thing: str, status: str, at: float, **fields: object) -> JobExecution:
    """Return the execution of the deployment's job on a device.

    `at` is the time of the execution's last update, in seconds since the epoch.
    """
    queued_at = at if status == "QUEUED" else CREATED
    return JobExecution(thing, "d-1", status, at, queued_at=queued_at, **fields)  # type: ignore[arg-type]


def story(thing: str, truth: Truth) -> Story:
    """Return the observations of a device whose true state is `truth`.

    The times are those of the cloud's clock.
    """
    old = {"model_digest": OLD, "function_arn": OLD_FUNCTION, "uptime_seconds": 500.0}
    before = heartbeat(thing, CREATED - 2, 10, **old)
    queued = execution(thing, "QUEUED", CREATED)
    busy = execution(thing, "IN_PROGRESS", CREATED + 2)
    done = execution(thing, "SUCCEEDED", CREATED + 9)
    stopped = heartbeat(thing, CREATED + 5, 11, status="stopped", **old)
    starting = heartbeat(thing, CREATED + 8, 12, status="starting", frames=0, model_digest=None)
    stale = execution(thing, "FAILED", CREATED - 500)
    passing: tuple[Observation, ...] = (
        Registered(thing), before, queued, busy, stopped, starting,
        JobExecution(thing, "d-0", "FAILED", stale.at),
    )  # fmt: skip
    match truth:
        case "good":
            needed: tuple[Observation, ...] = (done, heartbeat(thing, NOW - 1, 20))
        case "no frames":
            needed = (done, heartbeat(thing, NOW - 1, 20, frames=0, status="failing"))
        case "old model":
            needed = (done, heartbeat(thing, NOW - 1, 20, **old))
        case "failed":
            passing = (*passing, heartbeat(thing, NOW - 1, 20, **old))
            needed = (execution(thing, "FAILED", CREATED + 9, reason="digest"),)
        case "crashed":
            needed = (done, InstalledComponent(thing, "app", "2", "BROKEN", NOW - 1, "segfault"))
        case "installing":
            passing = (Registered(thing), before, queued)
            needed = (busy,)
        case "unfinished":
            needed = (busy, heartbeat(thing, NOW - 1, 20, uptime_seconds=60.0))
        case "off":
            passing = (before,)
            needed = (Registered(thing), queued)
        case "new":
            passing = ()
            needed = (queued,)
    return Story(thing, truth, needed, passing)


def disturbed(stories: list[Story], random_: random.Random) -> list[Observation]:
    """Shuffle all observations, repeat some, and omit some of `passing`; return the result."""
    stream: list[Observation] = []
    for device in stories:
        stream += device.needed
        stream += [passing for passing in device.passing if random_.random() < 0.5]
    stream += random_.choices(stream, k=random_.randrange(len(stream) + 1)) if stream else []
    random_.shuffle(stream)
    return stream


def expected_state(truths: list[Truth], rule: GateRule, *, late: bool) -> str:
    """Return the release state that the gate must report for devices in these states."""
    count = [(LATE_OUTCOMES if late else OUTCOMES)[truth] for truth in truths].count
    reachable = len(truths) - count("offline")
    if reachable and count("failed") / reachable > rule.error_percent / 100:
        return "failed"
    if count("waiting") and not late:
        return "pending"
    share = count("good") / reachable if reachable else 1.0
    if share >= rule.success_percent / 100 and count("good") >= rule.minimum_devices:
        return "passed"
    could_return = count("offline") and count("good") < rule.minimum_devices
    return "pending" if could_return and not late else "failed"
