"""`fleet provision`: a real device's identity, and the configuration of its core software."""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import click

from fleet_tools.certificate import is_active, issue
from fleet_tools.core_configuration import CORE_ROOT, CoreConfiguration
from fleet_tools.device_folder import DeviceFolder
from fleet_tools.errors import FleetError, told
from fleet_tools.fleet import ENVIRONMENTS, Fleet, open_fleet
from fleet_tools.root_ca import amazon_root_ca, read_root_ca

DEVICES = Path(".local") / "devices"


@click.command()
@click.argument("environment")
@click.argument("thing")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Where the files go; else {DEVICES}/ENVIRONMENT/THING.",
)
@click.option("--core-root", help="The core software's folder on the device.")
@click.option(
    "--root-ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The authority behind the endpoints; else Amazon Root CA 1.",
)
@click.option("--data-endpoint", help="Host of AWS IoT for devices; else the account's own.")
@click.option("--credentials-endpoint", help="Host of the credentials provider; else as above.")
@click.option(
    "--environments",
    type=click.Path(path_type=Path, file_okay=False),
    default=ENVIRONMENTS,
    show_default=True,
    help="Folder of the environment files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def provision(  # noqa: PLR0913, PLR0917 - one parameter per option
    environment: str,
    thing: str,
    out: Path | None,
    core_root: str | None,
    root_ca: Path | None,
    data_endpoint: str | None,
    credentials_endpoint: str | None,
    environments: Path,
    *,
    as_json: bool,
) -> None:
    """Give THING a certificate in ENVIRONMENT's fleet, and write the files that it needs.

    The private key is made on this machine, readable by you alone, and sent nowhere. What is there
    already and still good is kept: the command may be repeated.
    """
    with told():
        if not re.fullmatch(r"[A-Za-z0-9:_-]{1,128}", thing):
            raise FleetError(
                f"given {thing!r}, expected a thing's name: 1 to 128 letters, digits, ':', '_', '-'"
            )
        authority = read_root_ca(root_ca) if root_ca else amazon_root_ca()
        fleet, session = open_fleet(environment, environments)
        iot: Any = session.client("iot")
        runtime = fleet.environment.fleet.core_runtime
        configuration = CoreConfiguration(
            thing=thing,
            region=fleet.environment.region,
            role_alias=fleet.role_alias,
            data_endpoint=data_endpoint or _endpoint(iot, "iot:Data-ATS"),
            credentials_endpoint=credentials_endpoint or _endpoint(iot, "iot:CredentialProvider"),
            runtime=runtime,
            nucleus_version=fleet.nucleus_version,
            root=PurePosixPath(core_root) if core_root else CORE_ROOT[runtime],
        )
        folder = DeviceFolder(out or DEVICES / environment / thing)
        certificate_id, is_new = _identity(iot, fleet, thing, folder)
        folder.root_ca.write_bytes(authority)
        folder.configuration.write_text(configuration.text(), encoding="utf-8")
    result = {
        "thing": thing,
        "folder": str(folder.path),
        "certificateId": certificate_id,
        "issued": is_new,
        "expected": thing in fleet.environment.fleet.things,
    }
    click.echo(json.dumps(result) if as_json else _report(result, configuration.root, environment))


def _identity(iot: Any, fleet: Fleet, thing: str, folder: DeviceFolder) -> tuple[str, bool]:
    there = folder.certificate_id()
    if there and is_active(iot, there):
        things = iot.list_principal_things(principal=_arn(iot, there))["things"]
        if things == [thing]:
            iot.add_thing_to_thing_group(thingGroupName=fleet.thing_group, thingName=thing)
            return there, False
        raise FleetError(
            f"{folder.path} has the certificate of {', '.join(things) or 'no thing'}; "
            "give another folder with --out"
        )
    return issue(iot, fleet, thing, folder), True


def _arn(iot: Any, certificate_id: str) -> str:
    described = iot.describe_certificate(certificateId=certificate_id)
    return str(described["certificateDescription"]["certificateArn"])


def _endpoint(iot: Any, kind: str) -> str:
    return str(iot.describe_endpoint(endpointType=kind)["endpointAddress"])


def _report(result: dict[str, Any], root: PurePosixPath, environment: str) -> str:
    lines = [
        f"{result['thing']}: certificate {result['certificateId'][:12]}… "
        + ("issued" if result["issued"] else "kept"),
        f"{result['folder']}: private.pem.key (for your eyes only), device.pem.crt, root CA",
        f"on the device: copy them to {root} and start the core software with config.yaml",
        "then remove the key here",
    ]
    if not result["expected"]:
        lines.append(
            f"{result['thing']} has no alarm of its own: list it in [fleet] things of "
            f"{environment}.toml"
        )
    return "\n".join(lines)
