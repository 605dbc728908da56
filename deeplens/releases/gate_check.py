"""The gate behind an environment: its release is proven, and stays so while it bakes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from deeplens.config import EnvironmentConfig
from deeplens.releases.aws import AwsAccounts
from model_tools.errors import RegistryError

_POLL_SECONDS = 15.0


@dataclass(frozen=True)
class Clock:
    """Time, as a gate sees it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def check_gate(
    cloud: AwsAccounts,
    environment: EnvironmentConfig,
    digest: str,
    *,
    bake_seconds: float,
    clock: Clock | None = None,
) -> str:
    """Wait until the release has been proven for `bake_seconds`; return what proves it.

    Args:
        cloud: whom to ask.
        environment: whose project.
        digest: the release that the pipeline delivered.
        bake_seconds: how long it must stay proven; 0 asks once.
        clock: for tests.

    Raises:
        RegistryError: it is not proven, was stopped, another one took its place, or a camera that
            can be reached runs something else.
    """
    clock = clock or Clock()
    until = clock.now() + bake_seconds
    while True:
        proof = _verdict(cloud, environment, digest)
        left = until - clock.now()
        if left <= 0:
            return proof
        clock.sleep(min(_POLL_SECONDS, left))


def _verdict(cloud: AwsAccounts, environment: EnvironmentConfig, digest: str) -> str:
    try:
        return cloud.proof(environment, digest)
    except RegistryError as error:
        raise RegistryError(f"gate of {environment.name}: {error}") from None
