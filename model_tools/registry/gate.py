"""The gate behind an environment: its release is proven, and stays so while it bakes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from model_tools.errors import RegistryError
from model_tools.registry.cloud import Cloud, Deployed
from model_tools.registry.environments import Environment

_POLL_SECONDS = 15.0


@dataclass(frozen=True)
class Clock:
    """Time, as a gate sees it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def hold(
    cloud: Cloud,
    environment: Environment,
    digest: str,
    *,
    bake_seconds: float,
    clock: Clock | None = None,
) -> str:
    """Wait until the release has been proven for `bake_seconds`; return the project's verdict.

    Args:
        cloud: whom to ask.
        environment: whose project.
        digest: the release that the pipeline delivered.
        bake_seconds: how long it must stay proven; 0 asks once.
        clock: for tests.

    Raises:
        RegistryError: it is not proven, was stopped, or another one took its place.
    """
    clock = clock or Clock()
    until = clock.now() + bake_seconds
    while True:
        proof = _verdict(environment, digest, cloud.deployments(environment))
        left = until - clock.now()
        if left <= 0:
            return proof
        clock.sleep(min(_POLL_SECONDS, left))


def _verdict(environment: Environment, digest: str, deployed: list[Deployed]) -> str:
    """Return the project's verdict on `digest`, which must be what the fleet has."""
    gate = f"gate of {environment.name}: {digest[:12]}…"
    if not deployed:
        raise RegistryError(f"{gate} was never deployed there")
    current = deployed[0]
    if current.digest != digest:
        raise RegistryError(f"{gate} is not what the fleet has, that is {current.digest[:12]}…")
    if current.stopped is not None:
        raise RegistryError(f"{gate} was stopped: {current.stopped}")
    if current.proven is None:
        raise RegistryError(f"{gate} is not proven by any camera")
    return current.proven
