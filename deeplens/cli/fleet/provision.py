"""`deeplens fleet provision`: create a device's identity and the configuration of its nucleus."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deeplens.cli.fleet.options import DEVICES, out_option, thing_argument
from deeplens.cli.options import (
    environment_argument,
    environments_option,
    examples,
    json_option,
    local_option,
)

if TYPE_CHECKING:
    from deeplens.fleet.provision import Provisioned


@click.command(
    epilog=examples("fleet provision production camera-17"),
)
@environment_argument
@thing_argument
@out_option
@click.option("--core-root", help="The core software's folder on the device.")
@click.option(
    "--root-ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Certificate of the authority that signed the endpoints' certificates.  "
    "[default: Amazon Root CA 1; with --local the emulator's]",
)
@click.option("--data-endpoint", help="Host of AWS IoT for devices.  [default: the account's]")
@click.option(
    "--credentials-endpoint", help="Host of the credentials provider.  [default: the account's]"
)
@environments_option
@local_option
@json_option
def provision(
    environment: str,
    thing: str,
    out: Path | None,
    core_root: str | None,
    root_ca: Path | None,
    data_endpoint: str | None,
    credentials_endpoint: str | None,
    environments: Path,
    *,
    local: bool,
    as_json: bool,
) -> None:
    """Give THING a certificate in ENVIRONMENT's fleet, and write the files that the device needs.

    The private key is created on this machine, readable only by you, and never sent to AWS. A valid
    certificate is kept, so the command may be repeated.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input.
    """
    from deeplens.fleet.device_folder import DeviceFolder
    from deeplens.fleet.emulator import emulator_root_ca
    from deeplens.fleet.provision import Overrides, provision_device, require_thing_name
    from deeplens.fleet.session import open_session

    require_thing_name(thing)
    made = provision_device(
        open_session(environments, environment, local=local),
        thing,
        DeviceFolder(out or DEVICES / environment / thing),
        Overrides(
            core_root=core_root,
            root_ca=emulator_root_ca() if local and root_ca is None else root_ca,
            data_endpoint=data_endpoint,
            credentials_endpoint=credentials_endpoint,
        ),
    )
    click.echo(json.dumps(asdict(made)) if as_json else _report(made, environment))


def _report(made: "Provisioned", environment: str) -> str:
    lines = [
        f"{made.thing}: certificate {made.certificate_id[:12]}… "
        + ("issued" if made.issued else "kept"),
        f"{made.folder}: private.pem.key (for your eyes only), device.pem.crt, root CA",
        f"on the device: copy them to {made.core_root}, start the core software with config.yaml,",
        "then remove the key here",
    ]
    if made.nucleus_version:
        lines.append(
            f"install exactly Greengrass nucleus {made.nucleus_version} (greengrass-"
            f"{made.nucleus_version}.zip): a release replaces any other version and restarts it"
        )
    if made.other_certificates:
        lines.append(
            f"{made.thing} has {made.other_certificates} more active certificate(s); if they are "
            f"lost, `deeplens fleet retire {environment} {made.thing}` and provision it again"
        )
    if not made.expected:
        lines.append(
            f"{made.thing} has no separate alarm: list it in [fleet] things of {environment}.toml"
        )
    return "\n".join(lines)
