"""What went wrong, in one line and an exit code."""

from typing import Any

import click

from deeplens.fleet.errors import FleetError, WrongInputError


class ReportingGroup(click.Group):
    """Reports errors that a user can cause as a message and an exit code, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if text := _explain(error):
                from shared.printable import printable

                # The text may come from a file or a service.
                raise _kind(error)(printable(text, lines=True)) from None
            raise


class _WrongInput(click.ClickException):
    exit_code = 2


def _kind(error: Exception) -> type[click.ClickException]:
    from deeplens.config import ConfigError

    given = isinstance(error, ConfigError | WrongInputError)
    return _WrongInput if given else click.ClickException


def _explain(error: Exception) -> str:
    """Say what went wrong; empty for what no user can cause."""
    from botocore.exceptions import BotoCoreError, ClientError

    from deeplens.config import ConfigError

    match error:
        case FleetError() | ConfigError():
            return str(error)
        case ClientError():
            problem = error.response["Error"]
            code, message = problem.get("Code", "error"), problem.get("Message", "no message")
            return f"AWS refused {error.operation_name}: {code}: {message}"
        case BotoCoreError():
            return f"AWS did not answer: {error}"
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror or error}"
    return ""
