"""Errors of commands: one message and an exit code, never a traceback.

Exit codes: 1 the work failed, 2 wrong usage or input, 3 the emulator is not running, 4 a result
that the command documents, 130 interrupted.
"""

import tempfile
import traceback
from pathlib import Path
from typing import Any

import click

from model_tools.cli.errors import INTERRUPTED, ReportingGroup, as_click_error, failed, wrong_input

# Hints by the top-level module of a package that some installations do not contain.
_HINTS = {
    "cfnlint": "run `make setup-development` in a checkout, or `pip install '.[review]'`",
    "local_aws": "run `deeplens local` in a checkout, after `make setup`",
}


class OperatorGroup(ReportingGroup):
    """A group that reports the errors of this package and of AWS, and unexpected errors."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and convert its errors to messages and exit codes."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - users get a message and a file with the traceback
            raise (reported(error) or _unexpected(error)) from None


def reported(error: Exception) -> click.ClickException | None:
    """Return an expected error as a click exception; return None for an unexpected error."""
    # These modules are imported only after an error, so that `--help` and completion are fast.
    from botocore.exceptions import BotoCoreError, ClientError

    from deeplens.assembly import AssemblyError
    from deeplens.config import ConfigError
    from deeplens.fleet.errors import FleetError, WrongInputError
    from deeplens.releases.code_signing import SigningFailed
    from deeplens.releases.pin import PinError
    from deeplens.review import ReviewError, WrongBaseError, WrongPlanError
    from deeplens.runtime.errors import RuntimeBuildError

    match error:
        case ConfigError() | WrongInputError() | PinError() | WrongBaseError() | WrongPlanError():
            return wrong_input(error)
        case FleetError() | AssemblyError() | ReviewError() | RuntimeBuildError() | SigningFailed():
            return failed(error)
        case ClientError():
            problem = error.response["Error"]
            code, message = problem.get("Code", "error"), problem.get("Message", "no message")
            return failed(f"AWS refused {error.operation_name}: {code}: {message}")
        case BotoCoreError():
            return failed(f"AWS did not answer: {error}")
        case ModuleNotFoundError(name=str(name)) if hint := _HINTS.get(name.partition(".")[0]):
            return failed(f"{name} is not installed: {hint}")
    # Errors of `deeplens local` are identified by their attribute `exit_code`, because their module
    # imports the emulator, which the wheel does not contain.
    return failed(error) if hasattr(error, "exit_code") else as_click_error(error)


def _unexpected(error: Exception) -> click.ClickException:
    """Write a traceback to a file; return a click exception with the error and the file's path."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="deeplens-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.writelines(traceback.format_exception(error))
    return failed(
        f"unexpected failure: {type(error).__name__}: {error}; this is a defect: report it with "
        f"{Path(log.name)}"
    )
