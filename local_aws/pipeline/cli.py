"""`deeplens local deliver`: run a synthesized pipeline on the running emulator."""

import getpass
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from local_aws.pipeline import PipelineError, execution_log
from local_aws.pipeline.approval import ApprovalRequest, check_answer, stage_and_code
from local_aws.pipeline.definition import read_pipeline
from local_aws.pipeline.execution import ApprovalMissingError, Execution
from local_aws.process.endpoint import running
from local_aws.state.paths import StatePaths

STOPPED, NOT_RUNNING, WAITS = 1, 3, 4

Answer = Callable[[ApprovalRequest], tuple[str, ApprovalRequest] | None]


@click.command(
    short_help="Run the synthesized pipeline.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--assembly",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("cdk.out"),
    show_default=True,
    help="The cloud assembly that contains the pipeline and the stacks that it deploys.",
)
@click.option(
    "--approve",
    multiple=True,
    metavar="STAGE=CODE",
    help="Approve the request of a previous execution by its code.",
)
@click.option(
    "--as", "person", default="", help="Name of the person who approves.  [default: the user]"
)
@click.option(
    "--synth", is_flag=True, help="Run the commands of the synthesis, which are skipped by default."
)
@click.pass_obj
def deliver(
    paths: StatePaths, assembly: Path, approve: tuple[str, ...], person: str, *, synth: bool
) -> None:
    """Run the pipeline of ASSEMBLY stage by stage.

    At an approval without an answer, the execution prints a code and stops. --approve with this
    code is valid once, for the same digest, assembly and review page, until it expires. A review
    page of another assembly stops the execution.

    Exit codes: 0 delivered, 1 an action failed, 2 wrong usage, 3 the emulator does not
    run, 4 waiting for an approval.
    """
    try:
        codes = dict(stage_and_code(text) for text in approve)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--approve") from None
    endpoint = running(paths)
    if endpoint is None:
        click.echo("emulator: not running; start it with `deeplens local up`", err=True)
        sys.exit(NOT_RUNNING)
    log = paths.root.parent / "deliver" / "executions.jsonl"
    try:
        with execution_log.exclusive(log):
            pipeline = read_pipeline(assembly.resolve())
            execution = Execution(
                pipeline,
                Path.cwd(),
                endpoint.endpoint_url,
                endpoint.secret_access_key(pipeline.account),
                _answer(codes, person, log),
                click.echo,
                run_synth=synth,
            )
            _run(execution, log)
    except PipelineError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"delivered; every execution is in {log}")


def _run(execution: Execution, log: Path) -> None:
    """Run the execution and log its outcome; exit if it was not delivered."""
    execution_log.read(log)
    try:
        execution.run()
    except ApprovalMissingError as error:
        execution.record(log, str(error))
        waits = execution.waits
        click.echo(f"deliver: {error}", err=True)
        if waits:
            click.echo(
                f"to approve exactly this request: `deeplens local deliver --approve {waits.stage}="
                f"{waits.code}`; completed actions remain",
                err=True,
            )
        sys.exit(WAITS)
    except PipelineError as error:
        execution.record(log, str(error))
        click.echo(f"deliver: stopped at {error}", err=True)
        sys.exit(STOPPED)
    execution.record(log, "delivered")


def _answer(codes: dict[str, str], person: str, log: Path) -> Answer:
    def answer(asked: ApprovalRequest) -> tuple[str, ApprovalRequest] | None:
        if asked.stage in codes:
            executions = execution_log.read(log)
            approved = check_answer(codes[asked.stage], asked, executions, time.time())
            return person or _user(), approved
        if not sys.stdin.isatty():
            return None
        click.echo(f"  {asked.shown()}")
        return (person or _user(), asked) if click.confirm("  approve?", default=False) else None

    return answer


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):
        raise PipelineError(
            "the name of the current user is not available: use `--as NAME`"
        ) from None
