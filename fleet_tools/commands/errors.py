"""What went wrong, in one line and an exit code."""

from typing import Any

import click

from fleet_tools.errors import FleetError, WrongInputError

_FAILED, _WRONG_INPUT = 1, 2


class ReportingGroup(click.Group):
    """Turns what a user can cause into a message and an exit code: no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if text := _explain(error):
                failure = click.ClickException(text)
                failure.exit_code = _exit_code(error)
                raise failure from None
            raise


def _exit_code(error: Exception) -> int:
    from stacks.config import ConfigError

    return _WRONG_INPUT if isinstance(error, ConfigError | WrongInputError) else _FAILED


def _explain(error: Exception) -> str:
    """Say what went wrong; empty for what no user can cause."""
    from botocore.exceptions import BotoCoreError, ClientError

    from stacks.config import ConfigError

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
