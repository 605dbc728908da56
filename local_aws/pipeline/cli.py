"""Run a synthesized pipeline on the running emulator, for `deeplens local deliver`."""

import getpass
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from local_aws.endpoint import running
from local_aws.paths import StatePaths
from local_aws.pipeline import PipelineError, record
from local_aws.pipeline.approval import Request, check_answer, stage_and_code
from local_aws.pipeline.definition import read_pipeline
from local_aws.pipeline.execution import ApprovalMissingError, Execution

STOPPED, NOT_RUNNING, WAITS = 1, 3, 4

Answer = Callable[[Request], tuple[str, Request] | None]


@click.command(short_help="Run the synthesized pipeline.")
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
    help="Approve what an execution before this one asked, by its code.",
)
@click.option("--as", "person", default="", help="Who approves, for the record; else the user.")
@click.option("--synth", is_flag=True, help="Run the commands of the synthesis, too.")
@click.pass_obj
def deliver(
    paths: StatePaths, assembly: Path, approve: tuple[str, ...], person: str, *, synth: bool
) -> None:
    """Carry out the pipeline of ASSEMBLY here, stage by stage, and stop where it should.

    Without an answer the execution prints a code. --approve with that code is valid for the same
    digest, assembly and review page, once, until it expires.
    A review page that was made from another assembly stops the execution.

    Exit codes: 0 delivered, 1 an action stopped it, 2 wrong usage, 3 the emulator does not
    run, 4 it waits for a person.
    """
    try:
        codes = dict(stage_and_code(text) for text in approve)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--approve") from None
    endpoint = running(paths)
    if endpoint is None:
        click.echo("local-aws: does not run; start it with `up`", err=True)
        sys.exit(NOT_RUNNING)
    trail = paths.root.parent / "deliver" / "executions.jsonl"
    try:
        with record.alone(trail):
            pipeline = read_pipeline(assembly.resolve())
            execution = Execution(
                pipeline,
                Path.cwd(),
                endpoint.endpoint_url,
                endpoint.secret_access_key(pipeline.account),
                _answer(codes, person, trail),
                click.echo,
                run_synth=synth,
            )
            _run(execution, trail)
    except PipelineError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"delivered; every execution is in {trail}")


def _run(execution: Execution, trail: Path) -> None:
    """Run it and record how it ended; an end that is none of the good ones ends this process."""
    record.read(trail)
    try:
        execution.run()
    except ApprovalMissingError as error:
        execution.record(trail, str(error))
        waits = execution.waits
        click.echo(f"deliver: {error}", err=True)
        if waits:
            click.echo(
                "to approve this, and nothing else: `deeplens local deliver --approve "
                f"{waits.stage}={waits.code}`; what is done stays",
                err=True,
            )
        sys.exit(WAITS)
    except PipelineError as error:
        execution.record(trail, str(error))
        click.echo(f"deliver: stopped at {error}", err=True)
        sys.exit(STOPPED)
    execution.record(trail, "delivered")


def _answer(codes: dict[str, str], person: str, trail: Path) -> Answer:
    def answer(asked: Request) -> tuple[str, Request] | None:
        if asked.stage in codes:
            executions = record.read(trail)
            given = check_answer(codes[asked.stage], asked, executions, time.time())
            return person or _user(), given
        if not sys.stdin.isatty():
            return None
        click.echo(f"  {asked.shown()}")
        return (person or _user(), asked) if click.confirm("  approve?", default=False) else None

    return answer


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):
        raise PipelineError("this user has no name here; `--as NAME` says who approves") from None
