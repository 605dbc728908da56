"""What goes wrong with a fleet's devices, as one line."""

import contextlib
from collections.abc import Iterator

import click
from botocore.exceptions import BotoCoreError, ClientError

from stacks.config import ConfigError


class FleetError(Exception):
    """A command cannot do what was asked; the text says why, and what would work."""


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn what a user can cause into one message and exit code 1."""
    try:
        yield
    except (FleetError, ConfigError) as error:
        raise click.ClickException(str(error)) from None
    except ClientError as error:
        problem = error.response["Error"]
        raise click.ClickException(
            f"AWS refused {error.operation_name}: {problem['Code']}: {problem['Message']}"
        ) from None
    except BotoCoreError as error:
        raise click.ClickException(f"AWS cannot be asked: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
