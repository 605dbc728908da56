"""Handle SIGTERM and Ctrl-C in a command, and report the stack operations that continue."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from botocore.exceptions import BotoCoreError, ClientError

from deeplens.config import EnvironmentConfig
from deeplens.local import cdk
from deeplens.local.emulator import LOGS, Endpoint
from deeplens.local.processes import CommandFailed

_INTERRUPTED = 130
_SETTLE_SECONDS = 60.0


class Interrupted(Exception):  # noqa: N818 - names an event
    """Raised after SIGTERM or Ctrl-C; the message describes operations that continue, if any."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Exit with code 130 after SIGTERM or Ctrl-C; convert errors of AWS APIs to `CommandFailed`."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise CommandFailed(f"the emulator: {error}; see the logs in {LOGS}") from None
    except Interrupted as interrupted:
        remains = str(interrupted) or "everything that was started is stopped"
        click.echo(f"interrupted; {remains}", err=True)
        sys.exit(_INTERRUPTED)


@contextmanager
def interruptible_update(
    environment: EnvironmentConfig, endpoint: Endpoint, *, emulator_ends: bool
) -> Iterator[None]:
    """Report the update that continues after an interrupt, or wait for it if the emulator ends.

    The maximum wait is 60 s.

    Raises:
        Interrupted: SIGTERM or Ctrl-C occurred; the message describes the stack operations that
            continue, or that end with the emulator.
    """
    try:
        yield
    except Interrupted:
        if not cdk.stacks_under_way(environment, endpoint):
            raise
        if not emulator_ends:
            raise Interrupted(
                "the update that CloudFormation began continues: "
                f"`deeplens local deploy {environment.name}` waits for it"
            ) from None
        click.echo(
            "interrupted; the emulator stops when CloudFormation has ended what it began, at most "
            f"{_SETTLE_SECONDS:.0f} s from now"
        )
        left = cdk.wait_for_stacks(environment, endpoint, _SETTLE_SECONDS)
        if left:
            raise Interrupted(
                f"the emulator stops in the middle of {', '.join(left)}: its next start returns to "
                "the state before that, of every account"
            ) from None
        raise


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # A second signal must not interrupt the clean-up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Interrupted
