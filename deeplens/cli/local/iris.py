"""`deeplens local iris`: host the iris classifier, compare its predictions, delete its endpoint."""

import click

from deeplens.cli.options import examples, json_option
from deeplens.cli.output import json_result
from deeplens.local.interrupts import interruptible
from deeplens.local.iris import host_classifier
from deeplens.local.steps import Steps


@click.command(epilog=examples("local iris", "local iris --keep"))
@click.option("--keep", is_flag=True, help="Leave the endpoint on the running emulator.")
@click.option(
    "--destroy", "only_destroy", is_flag=True, help="Only destroy the endpoint that --keep left."
)
@json_option
def iris(*, keep: bool, only_destroy: bool, as_json: bool) -> None:
    """Deploy the iris classifier to an endpoint, compare its predictions, and destroy the endpoint.

    Exit codes: 0 done, 1 a step failed, 2 wrong usage, 3 the emulator is not running (--keep,
    --destroy), 130 interrupted.
    """
    steps = Steps()
    with json_result(as_json=as_json) as document, interruptible():
        result = host_classifier(steps, keep=keep, only_destroy=only_destroy)
        document.update(result, steps=steps.seconds)
