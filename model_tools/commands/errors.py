"""What went wrong, in one line and an exit code."""

from typing import Any

import click

from model_tools.errors import AmbiguousError, ModelToolsError, RefusedError, SourceError
from vision.errors import VisionError

FAILED, WRONG_INPUT = 1, 2


class ReportingGroup(click.Group):
    """Turns the errors of model_tools into a message and an exit code: no traceback for a user."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ModelToolsError as error:
            given = isinstance(error, SourceError | AmbiguousError | RefusedError)
            raise (_WrongInput if given else _Failed)(str(error)) from None
        except VisionError as error:
            raise _WrongInput(str(error)) from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise _Failed(f"{where}{error.strerror or error}") from None


class _Failed(click.ClickException):
    exit_code = FAILED


class _WrongInput(click.ClickException):
    exit_code = WRONG_INPUT
