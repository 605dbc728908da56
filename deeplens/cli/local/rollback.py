"""`deeplens local rollback`: pin and deploy an earlier release."""

from dataclasses import asdict

import click

from deeplens.cli.options import examples, json_option
from deeplens.cli.output import json_result
from deeplens.local.interrupts import interruptible
from deeplens.local.rollback import roll_back_environment
from deeplens.local.steps import Steps


@click.command(
    epilog=examples('local rollback production --reason "false detections"'),
)
@click.argument("name")
@click.option("--reason", required=True, help="The reason, stored in the audit log.")
@click.option(
    "--to",
    "digest",
    help="Digest of the release, or its beginning.  [default: the last other verified release]",
)
@json_option
def rollback(name: str, reason: str, digest: str | None, *, as_json: bool) -> None:
    """Pin a release that NAME's cameras verified before, deploy it, and wait until they run it.

    The rollback bypasses the pipeline, because an earlier environment may be broken. A release that
    was deployed before needs no approval.

    Exit codes: 0 done, 1 a step failed, 2 wrong usage or input, 3 the emulator is not running,
    130 interrupted.
    """
    if not reason.strip():
        raise click.BadParameter(
            f'expected a reason: `deeplens local rollback {name} --reason "false detections"`',
            param_hint="--reason",
        )
    steps = Steps()
    with json_result(as_json=as_json) as document, interruptible():
        deployed = roll_back_environment(steps, name, reason, digest)
        document.update(asdict(deployed), steps=steps.seconds)
        click.echo(f"next: commit environments/{name}.toml and environments/promotions.jsonl")
