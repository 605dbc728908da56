"""Convert errors of commands to a message and an exit code."""

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
    """Print text that may contain names from a file, without control characters."""
    click.echo(printable(text, longest=_LONGEST_OUTPUT, lines=True), err=err)


class ReportingGroup(click.Group):
    """A command group that reports errors of model_tools as a message and an exit code.

    Users see no traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and convert its errors."""
        try:
            return super().invoke(ctx)
        except (ModelToolsError, ArtifactError, OSError) as error:
            raise (as_click_error(error) or failed(error)) from None


def as_click_error(error: Exception) -> click.ClickException | None:
    """Convert an error of a file, an option or the system; return None for other errors."""
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
    """Return a click error with the `exit_code` of `error`, by default 1."""
    return _reported(error, getattr(error, "exit_code", FAILED))


def wrong_input(error: object) -> click.ClickException:
    """Return a click error with exit code 2, for wrong input."""
    return _reported(error, WRONG_INPUT)


def _reported(error: object, exit_code: int) -> click.ClickException:
    exception = click.ClickException(_shown(error))
    # click reads `exit_code` from the exception, although its type declares a class attribute.
    vars(exception)["exit_code"] = exit_code
    return exception


def _shown(error: object) -> str:
    return printable(str(error), longest=_LONGEST_MESSAGE, lines=True)
