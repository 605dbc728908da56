"""`fleet timeline`: when how many devices may run a bad release, before anything is deployed."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import click

from fleet_tools.commands.options import environment_argument, environments_option, json_option


@click.command()
@environment_argument
@environments_option
@click.option("--devices", type=click.IntRange(0), help="Size of the fleet; AWS is asked without.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME=SIZE",
    help="Size of a named wave's thing group; it counts as the whole fleet without.",
)
@json_option
def timeline(
    environment: str,
    environments: Path,
    devices: int | None,
    groups: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Show ENVIRONMENT's rollout as a timeline, with the worst-case exposure at each moment."""
    from stacks.config import load_environment
    from stacks.config.rollout import timeline as moments_of

    sizes = dict(_size(one) for one in groups)
    rollout = load_environment(environments / f"{environment}.toml").rollout
    named = {wave.thing_group for wave in rollout.waves if wave.thing_group}
    if unknown := sorted(sizes.keys() - named):
        known = ", ".join(sorted(named)) or "none has a group of its own"
        raise click.BadParameter(
            f"{', '.join(unknown)}: no wave of {environment}; waves: {known}", param_hint="--group"
        )
    if devices is None:
        from fleet_tools.site import open_site

        site = open_site(environments, environment)
        devices = len(site.things())
        sizes = {name: len(site.things_of(name)) for name in named} | sizes
    moments = moments_of(rollout, devices, sizes)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in moments], indent=1))
        return

    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{environment}: {devices} devices, worst case")
    for heading in ("from second", "what", "devices exposed"):
        table.add_column(heading)
    for one in moments:
        table.add_row(str(one.at_seconds), one.what, str(one.exposed_devices))
    Console().print(table)


def _size(text: str) -> tuple[str, int]:
    name, _, size = text.rpartition("=")
    if not name or not re.fullmatch("[0-9]{1,9}", size):
        raise click.BadParameter(f"given {text!r}, expected NAME=SIZE", param_hint="--group")
    return name, int(size)
