"""`fleet retire`: a device that leaves the fleet."""

import json
from pathlib import Path
from typing import Any

import click

from fleet_tools.certificate import revoke
from fleet_tools.device_folder import DeviceFolder
from fleet_tools.errors import FleetError, told
from fleet_tools.fleet import ENVIRONMENTS, open_fleet
from fleet_tools.provision import DEVICES


@click.command()
@click.argument("environment")
@click.argument("thing")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Where the device's files are; else {DEVICES}/ENVIRONMENT/THING.",
)
@click.option(
    "--environments",
    type=click.Path(path_type=Path, file_okay=False),
    default=ENVIRONMENTS,
    show_default=True,
    help="Folder of the environment files.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def retire(  # noqa: PLR0913 - one parameter per option
    environment: str, thing: str, out: Path | None, environments: Path, *, yes: bool, as_json: bool
) -> None:
    """Take THING out of ENVIRONMENT's fleet: its certificates end at once.

    The thing stays if the environment file lists it: the next deploy removes it. Files that
    `fleet provision` wrote are removed, the private key among them.
    """
    with told():
        fleet, session = open_fleet(environment, environments)
        iot: Any = session.client("iot")
        try:
            principals = iot.list_thing_principals(thingName=thing)["principals"]
        except iot.exceptions.ResourceNotFoundException:
            raise FleetError(f"there is no thing {thing} in {environment}") from None
        if not yes:
            click.confirm(
                f"{thing} loses {len(principals)} certificate(s) and leaves {fleet.thing_group}; "
                "it cannot connect any more. Go on?",
                abort=True,
            )
        for principal in principals:
            revoke(iot, principal)
        iot.remove_thing_from_thing_group(thingGroupName=fleet.thing_group, thingName=thing)
        listed = thing in fleet.environment.fleet.things
        if not listed:
            iot.delete_thing(thingName=thing)
        DeviceFolder(out or DEVICES / environment / thing).remove()
    result = {"thing": thing, "certificates": len(principals), "deleted": not listed}
    kept = f"; the thing stays until it is off [fleet] things of {environment}.toml"
    text = f"{thing}: {len(principals)} certificate(s) ended, out of {fleet.thing_group}"
    click.echo(json.dumps(result) if as_json else text + (kept if listed else ", thing deleted"))
