"""The process that executes a synthesized pipeline; `deeplens local deliver` starts it."""

import fcntl
import getpass
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from deeplens.local.approvals import RECORD
from deeplens.local.emulator import LOCAL
from deeplens.local.pipeline import PipelineError
from deeplens.local.pipeline.approval import ApprovalRequest, check_answer, stage_and_code
from deeplens.local.pipeline.definition import read_pipeline
from deeplens.local.pipeline.execution import ApprovalMissingError, Execution
from deeplens.releases.audit_log import AuditLog
from deeplens.releases.executions import execution_log
from local_aws.process.endpoint import running
from local_aws.state.paths import StatePaths
from model_tools.errors import RegistryError

STOPPED, NOT_RUNNING, WAITS = 1, 3, 4

Answer = Callable[[ApprovalRequest], tuple[str, ApprovalRequest] | None]


@click.command()
@click.option(
    "--assembly",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("cdk.out"),
    show_default=True,
    help="The cloud assembly that defines the pipeline and everything that it deploys.",
)
@click.option(
    "--approve",
    multiple=True,
    metavar="STAGE=CODE",
    help="Approve the request of a previous execution by its code.",
)
@click.option("--as", "person", default="", help="Name of the person who approves.  [user]")
@click.option("--synth", is_flag=True, help="Also run the commands of the synthesis.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    default=LOCAL / "aws",
    help="The folder of the emulator.",
)
@click.option("--log", type=click.Path(path_type=Path), default=RECORD, help="The audit log.")
def deliver(  # noqa: PLR0913 - one parameter for each option
    assembly: Path,
    approve: tuple[str, ...],
    person: str,
    state: Path,
    log: Path,
    *,
    synth: bool,
) -> None:
    """Execute the pipeline of ASSEMBLY on the running emulator, stage by stage.

    Without an answer, an execution prints a code. --approve with that code is valid once, for the
    same digest, assembly and review page, until it expires. A review page of another assembly stops
    the execution.

    Exit codes: 0 delivered, 1 stopped, 2 wrong usage, 3 the emulator is not running,
    4 waiting for an approval.
    """
    try:
        codes = dict(stage_and_code(answer) for answer in approve)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--approve") from None
    endpoint = running(StatePaths(state))
    if endpoint is None:
        click.echo("the emulator is not running; start it with `deeplens local up`", err=True)
        sys.exit(NOT_RUNNING)
    executions = execution_log(log)
    try:
        with exclusive(log):
            pipeline = read_pipeline(assembly.resolve())
            execution = Execution(
                pipeline,
                Path.cwd(),
                endpoint.endpoint_url,
                endpoint.secret_access_key(pipeline.account),
                _answer(codes, person, executions),
                click.echo,
                run_synth=synth,
            )
            _run(execution, executions)
    except (PipelineError, RegistryError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"delivered; every execution is in {log}")


def _run(execution: Execution, executions: AuditLog) -> None:
    """Run the pipeline and record the result; exit with 1 if it stops, with 4 if it waits."""
    executions.read()
    try:
        execution.run()
    except ApprovalMissingError as error:
        execution.record(executions, str(error))
        click.echo(f"deliver: {error}", err=True)
        if request := execution.waits:
            click.echo(
                f"to approve exactly this: `deeplens local deliver --approve {request.stage}="
                f"{request.code}`; completed actions remain",
                err=True,
            )
        sys.exit(WAITS)
    except PipelineError as error:
        execution.record(executions, str(error))
        click.echo(f"deliver: stopped at {error}", err=True)
        sys.exit(STOPPED)
    execution.record(executions, "delivered")


def _answer(codes: dict[str, str], person: str, executions: AuditLog) -> Answer:
    def answer(request: ApprovalRequest) -> tuple[str, ApprovalRequest] | None:
        if request.stage in codes:
            given = check_answer(codes[request.stage], request, executions.read(), time.time())
            return person or _user(), given
        if not sys.stdin.isatty():
            return None
        click.echo(f"  {request.shown()}")
        approved = click.confirm("  approve?", default=False)
        return (person or _user(), request) if approved else None

    return answer


@contextmanager
def exclusive(log: Path) -> Iterator[None]:
    """Lock the folder of the audit log against other executions of this checkout.

    Raises:
        PipelineError: another execution is running.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (log.parent / "lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PipelineError(
                "another execution is running in this checkout; wait for its end"
            ) from None
        yield


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):
        raise PipelineError(
            "the name of the current user is not available: use `--as NAME`"
        ) from None


if __name__ == "__main__":
    deliver()
