"""`fleet timeline`: when how many devices may run a bad release, before anything is deployed."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from fleet_tools.site import environment_argument, environments_option, open_site, read_environment
from stacks.config.rollout import timeline as moments_of


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
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def timeline(
    environment: str,
    environments: Path,
    devices: int | None,
    groups: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Show ENVIRONMENT's rollout as a timeline, with the worst-case exposure at each moment."""
    config = read_environment(environments, environment)
    sizes = dict(_size(one) for one in groups)
    if devices is None:
        site = open_site(environments, environment)
        devices = len(site.fleet.things(site.thing_group))
        for wave in config.rollout.waves:
            if wave.thing_group:
                sizes.setdefault(wave.thing_group, len(site.fleet.things(wave.thing_group)))
    moments = moments_of(config.rollout, devices, sizes)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in moments], indent=1))
        return
    table = Table(title=f"{environment}: {devices} devices, worst case")
    for heading in ("from second", "what", "devices exposed"):
        table.add_column(heading)
    for one in moments:
        table.add_row(str(one.at_seconds), one.what, str(one.exposed_devices))
    Console().print(table)


def _size(text: str) -> tuple[str, int]:
    name, _, size = text.rpartition("=")
    if not name or not size.isdigit():
        raise click.BadParameter(f"given {text!r}, expected NAME=SIZE", param_hint="--group")
    return name, int(size)
