"""`deeplens local diff`: compare an environment with its deployment."""

import click

from deeplens.cli.options import examples, json_option
from deeplens.cli.output import json_result
from deeplens.local.deployment import compare_with_deployment
from deeplens.local.interrupts import interruptible
from deeplens.local.steps import Steps


@click.command(
    epilog=examples("local diff dev"),
)
@click.argument("name", default="dev")
@json_option
def diff(name: str, *, as_json: bool) -> None:
    """Compare the environment NAME with its deployment on the running emulator (`cdk diff`).

    Exit codes: 0 done, 1 a step failed, 2 wrong usage or input, 3 the emulator is not running,
    130 interrupted.
    """
    with json_result(as_json=as_json) as document, interruptible():
        difference = compare_with_deployment(Steps(), name)
        document.update(environment=name, difference=difference)
        click.echo(difference)
        click.echo(f"next: `deeplens local deploy {name}`")
        click.echo("access, cost and cameras: `deeplens review main`")
