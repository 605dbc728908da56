"""`deeplens fleet teardown`: delete an environment."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deeplens.cli.fleet.listing import clean, count
from deeplens.cli.fleet.options import DEVICES, dry_run_option
from deeplens.cli.options import (
    environment_argument,
    environments_option,
    examples,
    json_option,
    local_option,
)
from deeplens.cli.output import json_result

if TYPE_CHECKING:
    from deeplens.fleet.teardown import Inventory

_REMAINS = 4


@click.command(
    epilog=examples("fleet teardown lab --dry-run", "fleet teardown lab"),
)
@environment_argument
@environments_option
@local_option
@click.option("--yes", is_flag=True, help="Do not ask for the environment's name.")
@dry_run_option
@json_option
def teardown(
    environment: str, environments: Path, *, local: bool, yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Delete ENVIRONMENT: devices, stacks, releases, models, logs and keys.

    The command lists the existing resources, and prompts for the environment's name before it
    deletes anything. After a failure, repeat the command to continue. Object versions under
    retention (Object Lock) remain, with the bucket and the key.

    Exit codes: 0 done, 1 failed or not confirmed, 2 wrong usage or input, 4 objects remain.
    """
    from deeplens.fleet.session import open_session
    from deeplens.fleet.teardown import take_inventory, tear_down

    site = open_session(environments, environment, local=local)
    inventory = take_inventory(site)
    with json_result(as_json=as_json) as document:
        document.update(environment=environment, resources=_resources(inventory), deleted=False)
        if inventory.is_empty:
            click.echo(f"nothing of {environment} exists in account {site.environment.account}")
            return
        for line in report(inventory):
            click.echo(line)
        if dry_run:
            return
        if not yes:
            question = f"Deleted data cannot be restored. Type {environment} to delete all of this"
            if click.prompt(question, err=True) != environment:
                raise click.Abort
        remaining = tear_down(site, inventory, DEVICES / environment, click.echo)
        document.update(
            deleted=True, protected=list(remaining.protected), shared=list(remaining.shared)
        )
        for line in (*remaining.protected, *remaining.shared):
            click.echo(f"remains: {clean(line)}")
    if remaining.protected:
        raise SystemExit(_REMAINS)


def report(inventory: "Inventory") -> Iterator[str]:
    """Yield one line for each kind of resource that exists."""
    for noun, names in _resources(inventory).items():
        if names:
            yield f"{count(len(names), noun)}: {', '.join(clean(name) for name in names)}"


def _resources(inventory: "Inventory") -> dict[str, list[str]]:
    """Return the names of the resources of each kind."""
    return {
        "device": list(inventory.devices),
        "stack": [stack.name for stack in inventory.stacks],
        "protected stack": [stack.name for stack in inventory.stacks if stack.protected],
        "wave group": list(inventory.wave_groups),
        "component version": list(inventory.components),
        "bucket": list(inventory.buckets),
        "key": list(inventory.keys),
        "log group": list(inventory.log_groups),
    }
