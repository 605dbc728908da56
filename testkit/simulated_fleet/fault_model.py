"""What may go wrong on a device, drawn from a seed: the same seed is the same fleet."""

import hashlib
import math
import random
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["good", "no frames", "fails", "breaks", "never finishes", "lost once", "lost"]


@dataclass(frozen=True)
class Hazards:
    """Shares of the fleet, 0 to 1, and seconds, for what goes wrong."""

    # The deployment fails on the device, which brings back what ran.
    fails: float = 0.0
    # The deployment succeeds, and the camera makes no frame.
    no_frames: float = 0.0
    # The deployment succeeds, and the function ends until it is BROKEN.
    breaks: float = 0.0
    # The camera runs the release, and the device's job stays IN_PROGRESS.
    never_finishes: float = 0.0
    # The download of the release's first deployment fails, or that of each one.
    loses_network_once: float = 0.0
    loses_network: float = 0.0
    # The device is off for the whole rollout.
    offline: float = 0.0
    # The device loses power in the middle of the update, and is back later.
    power_loss: float = 0.0
    slow: float = 0.0
    download_seconds: float = 0.2
    slow_download_seconds: float = 5.0
    away_seconds: float = 3.0
    # The device's clock is wrong by up to so much, either way.
    clock_skew_seconds: float = 0.0


@dataclass(frozen=True)
class Fate:
    """What one release does on one device."""

    outcome: Outcome
    is_offline: bool
    seconds: float
    loses_power: bool
    away_seconds: float
    clock_skew_seconds: float
    # Deployments of the release whose download fails.
    lost_attempts: float = 0


def fate(hazards: Hazards, seed: int, thing: str, release: str) -> Fate:
    """Draw what a release does on a device.

    That a device is off, slow or wrong about the time is its own; the rest is the release's too.
    """
    own = _random(seed, thing)
    is_offline = own.random() < hazards.offline
    slow = own.random() < hazards.slow
    skew = own.uniform(-1, 1) * hazards.clock_skew_seconds
    drawn = _random(seed, thing, release)
    chance = drawn.random()
    outcome: Outcome = "good"
    for name, share in (
        ("fails", hazards.fails),
        ("no frames", hazards.no_frames),
        ("breaks", hazards.breaks),
        ("never finishes", hazards.never_finishes),
        ("lost once", hazards.loses_network_once),
        ("lost", hazards.loses_network),
    ):
        if chance < share:
            outcome = name  # type: ignore[assignment]  # the names are those of Outcome
            break
        chance -= share
    most = hazards.slow_download_seconds if slow else hazards.download_seconds
    return Fate(
        outcome=outcome,
        is_offline=is_offline,
        seconds=most * drawn.uniform(0.5, 1.0),
        loses_power=drawn.random() < hazards.power_loss,
        away_seconds=hazards.away_seconds,
        clock_skew_seconds=skew,
        lost_attempts={"lost once": 1, "lost": math.inf}.get(outcome, 0),
    )


def _random(*parts: object) -> random.Random:
    text = "/".join(str(part) for part in parts)
    return random.Random(hashlib.sha256(text.encode()).digest())  # noqa: S311 - seeded on purpose
