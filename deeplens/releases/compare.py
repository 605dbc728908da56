"""A champion and its challenger: what the cameras of both say of themselves, side by side."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deeplens.config import EnvironmentConfig
from deeplens.releases.aws import AwsAccounts
from deeplens.releases.cameras import Camera
from model_tools.errors import RegistryError

# Larger ones, and NaN, are nonsense.
_LARGEST_NUMBER = 2.0**53


@dataclass(frozen=True)
class ComparedMetric:
    """One figure of both fleets, as text; a dash where no reachable camera reports it."""

    name: str
    champion: str
    challenger: str


# Of every reachable camera that reports it: how it is read, and what stands for the fleet.
_FIGURES: tuple[tuple[str, tuple[str, ...], Callable[[list[float]], float], str], ...] = (
    ("frames/s, median", ("frames_per_second",), statistics.median, "{:.2f}"),
    ("latency p50, ms", ("latency_ms", "p50"), statistics.median, "{:.1f}"),
    ("latency p95, ms", ("latency_ms", "p95"), max, "{:.1f}"),
    ("frames", ("frames",), sum, "{:.0f}"),
    ("errors", ("errors",), sum, "{:.0f}"),
    ("detections", ("detections",), sum, "{:.0f}"),
    ("drift, largest", ("drift", "score"), max, "{:.3f}"),
)


def compare_fleets(
    cloud: AwsAccounts, champion: EnvironmentConfig, challenger: EnvironmentConfig
) -> list[ComparedMetric]:
    """Compare two fleets by the last heartbeats of their reachable cameras.

    Raises:
        RegistryError: a camera is in both fleets: it runs both releases, and its figures are of
            neither.
    """
    fleets = [cloud.cameras(one) for one in (champion, challenger)]
    both = sorted({one.thing for one in fleets[0]} & {one.thing for one in fleets[1]})
    if both:
        raise RegistryError(
            f"in both fleets: {', '.join(both)}; a camera has one release: "
            "`aws iot remove-thing-from-thing-group "
            f"--thing-group-name {champion.fleet.thing_group} --thing-name {both[0]}`"
        )
    alive = [[one for one in fleet if one.is_alive] for fleet in fleets]
    found = [
        ComparedMetric(
            "release", f"{champion.model.digest[:12]}…", f"{challenger.model.digest[:12]}…"
        ),
        ComparedMetric("cameras", *(_count(*pair) for pair in zip(fleets, alive, strict=True))),
        ComparedMetric(
            "run the release",
            *(
                str(sum(one.digest == rival.model.digest for one in fleet))
                for rival, fleet in zip((champion, challenger), alive, strict=True)
            ),
        ),
    ]
    for name, path, total, form in _FIGURES:
        values = [
            [value for one in fleet if (value := _at(one.figures, path)) is not None]
            for fleet in alive
        ]
        if any(values):
            found.append(
                ComparedMetric(
                    name, *(form.format(total(each)) if each else "-" for each in values)
                )
            )
    return found


def _count(fleet: list[Camera], alive: list[Camera]) -> str:
    return f"{len(alive)} of {len(fleet)} reachable"


def _at(reported: dict[str, Any], path: tuple[str, ...]) -> float | None:
    """Return the number at a path of keys, None if there is none."""
    value: Any = reported
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < _LARGEST_NUMBER else None
