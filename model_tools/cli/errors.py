"""What went wrong, in one line and an exit code."""

from typing import Any

import click

from model_tools.errors import (
    AmbiguousError,
    ModelToolsError,
    RefusedError,
    SourceError,
    WrongKeyError,
)
from shared.artifact.errors import VisionError
from shared.printable import printable

FAILED, WRONG_INPUT = 1, 2
_LONGEST_MESSAGE = 10_000
_LONGEST_OUTPUT = 10_000_000


def echo(text: str, *, err: bool = False) -> None:
    """Print text that may contain names from a file."""
    click.echo(printable(text, longest=_LONGEST_OUTPUT, lines=True), err=err)


class ReportingGroup(click.Group):
    """Turns the errors of model_tools into a message and an exit code: no traceback for a user."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ModelToolsError as error:
            given = isinstance(error, SourceError | AmbiguousError | RefusedError | WrongKeyError)
            raise (_WrongInput if given else _Failed)(_shown(error)) from None
        except VisionError as error:
            raise _WrongInput(_shown(error)) from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise _Failed(_shown(f"{where}{error.strerror or error}")) from None


def _shown(error: object) -> str:
    """Return an error's text, which may contain names from a file."""
    return printable(str(error), longest=_LONGEST_MESSAGE, lines=True)


class _Failed(click.ClickException):
    exit_code = FAILED


class _WrongInput(click.ClickException):
    exit_code = WRONG_INPUT
