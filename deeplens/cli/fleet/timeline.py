"""`deeplens fleet timeline`: print the number of devices with a new release over time."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import click

from deeplens.cli.fleet.listing import columns, count, echo
from deeplens.cli.options import (
    environment_argument,
    environments_option,
    examples,
    json_option,
    local_option,
)


@click.command(
    epilog=examples(
        "fleet timeline production --devices 1000",
        "fleet timeline production --devices 1000 --group canaries=5",
    ),
)
@environment_argument
@environments_option
@local_option
@click.option(
    "--devices", type=click.IntRange(0), help="Size of the fleet.  [default: that on AWS]"
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME=SIZE",
    help="Size of a wave's thing group; may be repeated.  [default: all devices]",
)
@json_option
def timeline(
    environment: str,
    environments: Path,
    devices: int | None,
    groups: tuple[str, ...],
    *,
    local: bool,
    as_json: bool,
) -> None:
    """Show the steps of ENVIRONMENT's rollout, each with the maximum number of exposed devices.

    Exposed devices are the devices that may run the new release during the step.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input.
    """
    from deeplens.config import load_environment
    from deeplens.config.rollout import timeline as moments_of

    sizes = dict(_size(one) for one in groups)
    rollout = load_environment(environments / f"{environment}.toml").rollout
    named = {wave.thing_group for wave in rollout.waves if wave.thing_group}
    if unknown := sorted(sizes.keys() - named):
        known = (
            f"expected one of {', '.join(sorted(named))}"
            if named
            else (f"no wave in {environments / environment}.toml has a thing_group")
        )
        raise click.BadParameter(
            f"{', '.join(unknown)} is not the thing group of a wave: {known}", param_hint="--group"
        )
    if devices is None:
        from deeplens.fleet.session import open_session

        site = open_session(environments, environment, local=local)
        devices = len(site.things())
        sizes = {name: len(site.things_of(name)) for name in named} | sizes
    moments = moments_of(rollout, devices, sizes)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in moments], indent=1))
        return

    echo(f"{environment}: {count(devices, 'device')}, worst case")
    rows = [[str(one.at_seconds), str(one.exposed_devices), one.what] for one in moments]
    for line in columns(["FROM SECOND", "DEVICES EXPOSED", "STEP"], rows):
        echo(line)


def _size(text: str) -> tuple[str, int]:
    name, _, size = text.rpartition("=")
    if not name or not re.fullmatch("[0-9]{1,9}", size):
        raise click.BadParameter(
            f"{text!r} is not a valid size: expected NAME=SIZE, such as canaries=5",
            param_hint="--group",
        )
    return name, int(size)
