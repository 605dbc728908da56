"""Errors of commands as one message and an exit code."""

from typing import Any

import click

from model_tools.errors import (
    AmbiguousError,
    ModelToolsError,
    RefusedError,
    SourceError,
    WrongKeyError,
)
from shared.artifact.errors import ArtifactError
from shared.printable import printable

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130
_LONGEST_MESSAGE = 10_000
_LONGEST_OUTPUT = 10_000_000


def echo(text: str, *, err: bool = False) -> None:
    """Print text that may contain names from a file."""
    click.echo(printable(text, longest=_LONGEST_OUTPUT, lines=True), err=err)


class ReportingGroup(click.Group):
    """Reports the errors of model_tools as a message and an exit code, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (ModelToolsError, ArtifactError, OSError) as error:
            raise (as_click_error(error) or failed(error)) from None


def as_click_error(error: Exception) -> click.ClickException | None:
    """Return the message of an error that a file, an option or the system causes."""
    match error:
        case SourceError() | AmbiguousError() | RefusedError() | WrongKeyError() | ArtifactError():
            return wrong_input(error)
        case ModelToolsError():
            return failed(error)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return failed(f"{where}{error.strerror or error}")
    return None


def failed(error: object) -> click.ClickException:
    """Return an error with its `exit_code`, or 1; its text may contain names from a file."""
    return _reported(error, getattr(error, "exit_code", FAILED))


def wrong_input(error: object) -> click.ClickException:
    """Return an error with exit code 2."""
    return _reported(error, WRONG_INPUT)


def _reported(error: object, exit_code: int) -> click.ClickException:
    exception = click.ClickException(_shown(error))
    # click reads the attribute of the exception, and documents it on the class.
    vars(exception)["exit_code"] = exit_code
    return exception


def _shown(error: object) -> str:
    return printable(str(error), longest=_LONGEST_MESSAGE, lines=True)
