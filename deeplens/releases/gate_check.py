"""The gate after an environment: its release must stay verified for the bake time."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from deeplens.config import EnvironmentConfig
from deeplens.releases.aws import AwsAccounts
from model_tools.errors import NoEmulatorError, RegistryError

_POLL_SECONDS = 15.0


@dataclass(frozen=True)
class Clock:
    """The clock of a gate, in seconds; tests replace it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def check_gate(
    accounts: AwsAccounts,
    environment: EnvironmentConfig,
    digest: str,
    *,
    bake_seconds: float,
    clock: Clock | None = None,
) -> str:
    """Check for `bake_seconds` that the release stays verified; return the last verification.

    Args:
        accounts: the AWS accounts.
        environment: the environment whose fleet must run the release.
        digest: the release that the pipeline delivered.
        bake_seconds: the time for which the release must stay verified; 0 for a single query.
        clock: the clock; by default, the monotonic clock of this machine.

    Raises:
        RegistryError: the release is not verified, was stopped or replaced, a reachable camera does
            not run the release, or AWS rejects a query.
    """
    clock = clock or Clock()
    ends_at = clock.now() + bake_seconds
    while True:
        verification = _verification(accounts, environment, digest)
        remaining = ends_at - clock.now()
        if remaining <= 0:
            return verification
        clock.sleep(min(_POLL_SECONDS, remaining))


def _verification(accounts: AwsAccounts, environment: EnvironmentConfig, digest: str) -> str:
    try:
        return accounts.verification(environment, digest)
    except NoEmulatorError:
        raise
    except RegistryError as error:
        raise RegistryError(f"gate of {environment.name}: {error}") from None
