"""Random faults of devices, drawn from a seed: equal seeds give equal fleets."""

import hashlib
import math
import random
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["good", "no frames", "fails", "breaks", "never finishes", "lost once", "lost"]


@dataclass(frozen=True)
class FaultRates:
    """Shares of the fleet with each fault, from 0 to 1, and durations in seconds."""

    # The share of devices on which the deployment fails.
    fails: float = 0.0
    # The share of devices on which the deployment succeeds, but the camera processes no frame.
    no_frames: float = 0.0
    # The share of devices on which the deployment succeeds, but the function fails until it is
    # BROKEN.
    breaks: float = 0.0
    # The share of devices whose camera runs the release, but whose job stays IN_PROGRESS.
    never_finishes: float = 0.0
    # The shares of devices on which the download fails in the first deployment of the release
    # (once), or in each deployment.
    loses_network_once: float = 0.0
    loses_network: float = 0.0
    # The share of devices that are off during the rollout.
    offline: float = 0.0
    # The share of devices that lose power during the update, and return after `away_seconds`.
    power_loss: float = 0.0
    slow: float = 0.0
    download_seconds: float = 0.2
    slow_download_seconds: float = 5.0
    away_seconds: float = 3.0
    # The maximum error of a device's clock, in both directions.
    clock_skew_seconds: float = 0.0


@dataclass(frozen=True)
class FaultDraw:
    """The faults of one release on one device."""

    outcome: Outcome
    is_offline: bool
    seconds: float
    loses_power: bool
    away_seconds: float
    clock_skew_seconds: float
    # The number of deployments of the release in which the download fails, from the first one.
    lost_attempts: float = 0


def draw(fault_rates: FaultRates, seed: int, thing: str, release: str) -> FaultDraw:
    """Draw the faults of a release on a device.

    Offline state, speed and clock depend on the device; all other faults also depend on the
    release.
    """
    of_device = _random(seed, thing)
    is_offline = of_device.random() < fault_rates.offline
    slow = of_device.random() < fault_rates.slow
    skew = of_device.uniform(-1, 1) * fault_rates.clock_skew_seconds
    of_release = _random(seed, thing, release)
    chance = of_release.random()
    outcome: Outcome = "good"
    for name, share in (
        ("fails", fault_rates.fails),
        ("no frames", fault_rates.no_frames),
        ("breaks", fault_rates.breaks),
        ("never finishes", fault_rates.never_finishes),
        ("lost once", fault_rates.loses_network_once),
        ("lost", fault_rates.loses_network),
    ):
        if chance < share:
            outcome = name  # type: ignore[assignment]  # the names are those of Outcome
            break
        chance -= share
    max_seconds = fault_rates.slow_download_seconds if slow else fault_rates.download_seconds
    return FaultDraw(
        outcome=outcome,
        is_offline=is_offline,
        seconds=max_seconds * of_release.uniform(0.5, 1.0),
        loses_power=of_release.random() < fault_rates.power_loss,
        away_seconds=fault_rates.away_seconds,
        clock_skew_seconds=skew,
        lost_attempts={"lost once": 1, "lost": math.inf}.get(outcome, 0),
    )


def _random(*parts: object) -> random.Random:
    text = "/".join(str(part) for part in parts)
    return random.Random(hashlib.sha256(text.encode()).digest())  # noqa: S311 - equal seeds must give equal fleets
