"""`deeplens local deploy`: synthesize and deploy one environment."""

from dataclasses import asdict
from pathlib import Path

import click

from deeplens.cli.options import examples, json_option
from deeplens.cli.output import json_result
from deeplens.local.deployment import deploy_environment
from deeplens.local.interrupts import interruptible
from deeplens.local.steps import Steps


@click.command(
    epilog=examples("local deploy dev", "local deploy dev --plan build/plans/dev.json"),
)
@click.argument("name", default="dev")
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    help="Deploy nothing if what was synthesized differs from this plan.",
)
@json_option
def deploy(name: str, plan: Path | None, *, as_json: bool) -> None:
    """Synthesize and deploy the environment NAME to the running emulator.

    Exit codes: 0 done, 1 a step failed, 2 wrong usage or input, 3 the emulator is not running,
    130 interrupted.
    """
    steps = Steps()
    with json_result(as_json=as_json) as document, interruptible():
        deployed = deploy_environment(steps, name, plan)
        document.update(asdict(deployed), steps=steps.seconds)
