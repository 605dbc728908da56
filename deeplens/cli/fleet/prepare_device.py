"""`deeplens fleet prepare-device`: write the script that prepares a device."""

from pathlib import Path

import click

from deeplens.cli.fleet.options import DEVICES, out_option, thing_argument
from deeplens.cli.options import (
    environment_argument,
    environments_option,
    examples,
    json_option,
)
from deeplens.cli.output import json_result


@click.command(
    "prepare-device",
    epilog=examples(
        "fleet prepare-device production camera-17",
        "fleet prepare-device production camera-17 --print | less",
    ),
)
@environment_argument
@thing_argument
@out_option
@click.option("--print", "prints", is_flag=True, help="Print the script instead of writing it.")
@environments_option
@json_option
def prepare_device(
    environment: str,
    thing: str,
    out: Path | None,
    environments: Path,
    *,
    prints: bool,
    as_json: bool,
) -> None:
    """Write the script that prepares THING as a core device of ENVIRONMENT, or checks the device.

    The script is written into the folder of the files of `deeplens fleet provision`. Run it as root
    on the device. It sets up users, groups, tools, the pinned core software, and owner and mode of
    the files. The script may be repeated; with --check, it changes nothing. This command does not
    access AWS.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input.
    """
    from deeplens.config import load_environment
    from deeplens.fleet.device.preparation import SCRIPT_NAME, device_script
    from deeplens.fleet.device_folder import DeviceFolder
    from deeplens.fleet.provision import require_thing_name

    if prints and as_json:
        raise click.UsageError("--print and --json exclude each other: give one of them")
    require_thing_name(thing)
    script = device_script(load_environment(environments / f"{environment}.toml"), thing)
    if prints:
        click.echo(script, nl=False)
        return
    folder = DeviceFolder(out or DEVICES / environment / thing)
    folder.make()
    file = folder.path / SCRIPT_NAME
    folder.write_private(file, script.encode())
    with json_result(as_json=as_json) as document:
        is_provisioned = folder.private_key.is_file()
        document.update(thing=thing, script=str(file), provisioned=is_provisioned)
        click.echo(f"{file}: copy the folder to the device, then there: sudo sh {SCRIPT_NAME}")
        if not is_provisioned:
            click.echo(
                f"`deeplens fleet provision {environment} {thing}` writes the device's other files"
            )
