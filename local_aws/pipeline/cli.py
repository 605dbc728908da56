"""`python -m local_aws deliver`: run a synthesized pipeline on the running embedded AWS."""

import sys
from pathlib import Path

import click

from local_aws.endpoint import running
from local_aws.paths import StatePaths
from local_aws.pipeline import PipelineError
from local_aws.pipeline.definition import read_pipeline
from local_aws.pipeline.execution import ApprovalMissingError, Execution

STOPPED, NOT_RUNNING, WAITS = 1, 3, 4


@click.command()
@click.option(
    "--assembly",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("cdk.out"),
    show_default=True,
    help="The cloud assembly that defines the pipeline and everything that it deploys.",
)
@click.option("--approve", multiple=True, metavar="STAGE", help="Approve without asking.")
@click.option("--as", "person", default="", help="Who approves, for the record.")
@click.option("--synth", is_flag=True, help="Run the commands of the synthesis, too.")
@click.pass_obj
def deliver(
    paths: StatePaths, assembly: Path, approve: tuple[str, ...], person: str, *, synth: bool
) -> None:
    """Carry out the pipeline of ASSEMBLY here, stage by stage, and stop where it should.

    Exit codes: 0 delivered, 1 an action stopped it, 3 the embedded AWS does not run, 4 it waits
    for a person.
    """
    endpoint = running(paths)
    if endpoint is None:
        click.echo("local-aws: does not run; start it with `up`", err=True)
        sys.exit(NOT_RUNNING)

    def ask(stage: str, text: str) -> str | None:
        if stage in approve:
            return person or "--approve"
        if not sys.stdin.isatty():
            return None
        click.echo(f"  {text}")
        return (person or "the terminal") if click.confirm("  approve?", default=False) else None

    trail = paths.root.parent / "deliver" / "executions.jsonl"
    try:
        execution = Execution(
            read_pipeline(assembly.resolve()),
            Path.cwd(),
            endpoint.endpoint_url,
            ask,
            click.echo,
            run_synth=synth,
        )
    except PipelineError as error:
        raise click.ClickException(str(error)) from None
    try:
        execution.run()
    except ApprovalMissingError as error:
        execution.record(trail, str(error))
        click.echo(f"deliver: {error}\nrun again with an answer; what is done stays", err=True)
        sys.exit(WAITS)
    except PipelineError as error:
        execution.record(trail, str(error))
        click.echo(f"deliver: stopped at {error}", err=True)
        sys.exit(STOPPED)
    execution.record(trail, "delivered")
    click.echo(f"delivered; every execution is in {trail}")
