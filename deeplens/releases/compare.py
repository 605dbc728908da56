"""Comparison of a champion and its challenger by the heartbeats of their cameras."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from deeplens.config import EnvironmentConfig
from deeplens.releases.aws import AwsAccounts
from model_tools.errors import RegistryError
from shared.fleet.device_state import ReceivedHeartbeat
from shared.messages.heartbeat import Heartbeat


@dataclass(frozen=True)
class ComparedMetric:
    """A metric of both fleets, as text; a dash for a fleet without a value."""

    name: str
    champion: str
    challenger: str


@dataclass(frozen=True)
class _FleetMetric:
    """A metric of a camera, and the function that aggregates it for a fleet."""

    name: str
    value: Callable[[Heartbeat], float | None]
    aggregate: Callable[[list[float]], float]
    format: str


_METRICS = (
    _FleetMetric(
        "frames/s, median",
        lambda heartbeat: heartbeat.frames_per_second,
        statistics.median,
        "{:.2f}",
    ),
    _FleetMetric(
        "latency p50, ms",
        lambda heartbeat: heartbeat.latency_ms.p50 if heartbeat.latency_ms else None,
        statistics.median,
        "{:.1f}",
    ),
    _FleetMetric(
        "latency p95, ms",
        lambda heartbeat: heartbeat.latency_ms.p95 if heartbeat.latency_ms else None,
        max,
        "{:.1f}",
    ),
    _FleetMetric("frames", lambda heartbeat: heartbeat.frames, sum, "{:.0f}"),
    _FleetMetric("errors", lambda heartbeat: heartbeat.errors, sum, "{:.0f}"),
    _FleetMetric("detections", lambda heartbeat: heartbeat.detections, sum, "{:.0f}"),
    _FleetMetric(
        "drift, largest",
        lambda heartbeat: heartbeat.drift.score if heartbeat.drift else None,
        max,
        "{:.3f}",
    ),
)


def compare_fleets(
    accounts: AwsAccounts, champion: EnvironmentConfig, challenger: EnvironmentConfig
) -> list[ComparedMetric]:
    """Return the metrics of two fleets by the last heartbeats of their reachable cameras.

    A metric that no reachable camera reports is omitted.

    Raises:
        RegistryError: AWS rejects a query, or a camera is in both fleets, so its metrics cannot be
            assigned to one release.
    """
    environments = (champion, challenger)
    fleets = [accounts.heartbeats(environment) for environment in environments]
    champion_things, challenger_things = (
        {heartbeat.thing for heartbeat in fleet} for fleet in fleets
    )
    if both := sorted(champion_things & challenger_things):
        raise RegistryError(
            f"in both fleets: {', '.join(both)}; a camera has one release: "
            "`aws iot remove-thing-from-thing-group "
            f"--thing-group-name {champion.fleet.thing_group} --thing-name {both[0]}`"
        )
    now = time.time()
    alive = [[heartbeat for heartbeat in fleet if heartbeat.is_alive(now)] for fleet in fleets]
    compared = [
        ComparedMetric(
            "release", f"{champion.model.digest[:12]}…", f"{challenger.model.digest[:12]}…"
        ),
        ComparedMetric("cameras", *(_count(*pair) for pair in zip(fleets, alive, strict=True))),
        ComparedMetric(
            "run the release",
            *(
                str(sum(heartbeat.model_digest == environment.model.digest for heartbeat in fleet))
                for environment, fleet in zip(environments, alive, strict=True)
            ),
        ),
    ]
    for metric in _METRICS:
        values = [
            [
                value
                for heartbeat in fleet
                if (value := metric.value(heartbeat.reported)) is not None
            ]
            for fleet in alive
        ]
        if any(values):
            compared.append(ComparedMetric(metric.name, *(_text(metric, each) for each in values)))
    return compared


def _count(fleet: list[ReceivedHeartbeat], alive: list[ReceivedHeartbeat]) -> str:
    return f"{len(alive)} of {len(fleet)} reachable"


def _text(metric: _FleetMetric, values: list[float]) -> str:
    return metric.format.format(metric.aggregate(values)) if values else "-"
