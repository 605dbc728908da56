"""`deeplens fleet teardown`: delete an environment."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deeplens.cli.fleet.listing import clean, count
from deeplens.cli.fleet.options import DEVICES, dry_run_option
from deeplens.cli.options import environment_argument, environments_option, examples, local_option

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
def teardown(
    environment: str, environments: Path, *, local: bool, yes: bool, dry_run: bool
) -> None:
    """Delete ENVIRONMENT: devices, stacks, releases, models, logs and keys.

    The command lists what exists, and asks for the environment's name before it deletes anything.
    After a failure, the same command continues. Versions of objects whose retention (Object Lock)
    has not ended remain, with the bucket and the key.

    Exit codes: 0 done, 1 failed or not confirmed, 2 wrong usage or input, 4 objects remain.
    """
    from deeplens.fleet.session import open_session
    from deeplens.fleet.teardown import take_inventory, tear_down

    site = open_session(environments, environment, local=local)
    inventory = take_inventory(site)
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
    for line in (*remaining.protected, *remaining.shared):
        click.echo(f"remains: {clean(line)}")
    if remaining.protected:
        raise SystemExit(_REMAINS)


def report(inventory: "Inventory") -> Iterator[str]:
    """Yield one line for each kind of resource that exists."""
    stacks = [stack.name for stack in inventory.stacks]
    protected = [stack.name for stack in inventory.stacks if stack.protected]
    kinds = (
        ("device", inventory.devices),
        ("stack", stacks),
        ("protected stack", protected),
        ("wave group", inventory.wave_groups),
        ("component version", inventory.components),
        ("bucket", inventory.buckets),
        ("key", inventory.keys),
        ("log group", inventory.log_groups),
    )
    for noun, names in kinds:
        if names:
            yield f"{count(len(names), noun)}: {', '.join(clean(name) for name in names)}"
