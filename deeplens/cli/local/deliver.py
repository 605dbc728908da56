"""`deeplens local deliver`: run the synthesized pipeline."""

import sys
from pathlib import Path

import click

from deeplens.cli.options import examples, json_option
from deeplens.cli.output import json_result
from deeplens.local.approvals import RECORD, check_answers
from deeplens.local.delivery import PIPELINE, deliver_environments
from deeplens.local.interrupts import interruptible
from deeplens.local.steps import Steps

# Results of the emulator's pipeline, by exit code.
_OUTCOMES = {0: "delivered", 1: "stopped", 4: "waiting for an approval"}


@click.command(
    epilog=examples("local deliver", "local deliver --approve production=CODE"),
)
@click.option(
    "--approve",
    multiple=True,
    metavar="STAGE=CODE",
    help="Approve what a run before this one asked, with the code that it printed.",
)
@click.option(
    "--as",
    "person",
    default="",
    help="Name of the person who approves, for the record.  [default: the user]",
)
@click.option(
    "--review",
    "base",
    metavar="BASE",
    help="Make the review page first, compared with this commit; an approval is bound to it.",
)
@click.option(
    "--pipeline",
    type=click.Path(path_type=Path),
    default=PIPELINE,
    show_default="deeplens/local/delivery.toml",
    help="The file that defines the pipeline.",
)
@json_option
def deliver(
    approve: tuple[str, ...], person: str, base: str | None, pipeline: Path, *, as_json: bool
) -> None:
    """Synthesize the pipeline, and run it on the running emulator, environment by environment.

    Exit codes: 0 delivered, 1 stopped, 2 wrong usage or input, 3 the emulator is not running,
    4 waiting for an approval, 130 interrupted.
    """
    answers = [word for answer in approve for word in ("--approve", answer)]
    if person:
        answers += ["--as", person]
    steps = Steps()
    with json_result(as_json=as_json) as document, interruptible():
        check_answers(approve, RECORD)
        if not pipeline.is_file():
            raise click.BadParameter(f"there is no such file: {pipeline}", param_hint="--pipeline")
        output = sys.stderr if as_json else None
        code = deliver_environments(steps, pipeline, answers, base, output)
        document.update(outcome=_OUTCOMES.get(code, "failed"), steps=steps.seconds)
    sys.exit(code)
