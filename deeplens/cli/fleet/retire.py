"""`deeplens fleet retire`: remove a device from the fleet."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deeplens.cli.fleet.listing import count
from deeplens.cli.fleet.options import DEVICES, dry_run_option, out_option, thing_argument
from deeplens.cli.options import (
    environment_argument,
    environments_option,
    examples,
    json_option,
    local_option,
)

if TYPE_CHECKING:
    from deeplens.fleet.retire import Retirement


@click.command(
    epilog=examples(
        "fleet retire production camera-17 --dry-run", "fleet retire production camera-17 --yes"
    ),
)
@environment_argument
@thing_argument
@out_option
@environments_option
@local_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@dry_run_option
@json_option
def retire(
    environment: str,
    thing: str,
    out: Path | None,
    environments: Path,
    *,
    local: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove THING from ENVIRONMENT's fleet, and revoke its certificates at once.

    If the environment file lists THING, the thing itself remains until a deploy without that entry.
    The files that `deeplens fleet provision` wrote are removed, including the private key.

    Exit codes: 0 done, 1 failed or not confirmed, 2 wrong usage or input.
    """
    from deeplens.fleet.device_folder import DeviceFolder
    from deeplens.fleet.provision import require_thing_name
    from deeplens.fleet.retire import plan_retirement, retire_device
    from deeplens.fleet.session import open_session

    require_thing_name(thing)
    site = open_session(environments, environment, local=local)
    folder = DeviceFolder(out or DEVICES / environment / thing)
    planned = plan_retirement(site, thing, folder)
    certificates = count(len(planned.certificates), "certificate")
    ends = f"{thing} loses {certificates} and leaves {site.thing_group}"
    if dry_run:
        click.echo(f"would retire: {ends}", err=as_json)
        if as_json:
            click.echo(json.dumps(_result(planned, thing, changed=False)))
        return
    if not yes:
        click.confirm(f"{ends}; it cannot connect any more. Go on?", abort=True, err=True)
    retire_device(site, planned, folder, report=partial(click.echo, err=True))
    if as_json:
        click.echo(json.dumps(_result(planned, thing, changed=True)))
        return
    text = f"{thing}: {certificates} revoked, removed from {site.thing_group}"
    kept = f"; the thing stays until it is off [fleet] things of {environment}.toml"
    click.echo(text + (", thing deleted" if planned.deletes_thing else kept))


def _result(planned: "Retirement", thing: str, *, changed: bool) -> dict[str, Any]:
    return {
        "thing": thing,
        "certificates": len(planned.certificates),
        "deleted": planned.deletes_thing,
        "changed": changed,
    }
