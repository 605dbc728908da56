"""`deeplens local camera`: run a virtual camera of an environment."""

import re
from pathlib import Path

import click

from deeplens.cli.options import examples
from deeplens.local import cores
from deeplens.local.checkout import checkout_environment, relative_path
from deeplens.local.emulator import running_emulator
from deeplens.local.images import check_images, image_files, sample_images
from deeplens.local.interrupts import interruptible
from deeplens.local.steps import Steps

# The pattern of a device's name, which is also the name of a folder and of an IoT thing.
_THING = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


@click.command(
    epilog=examples("local camera dev", "local camera dev --images folder --name dev-camera-2"),
)
@click.argument("name", default="dev")
@click.option(
    "--images",
    "--pictures",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of images (.bmp, .jpeg, .jpg, .png) to show.  [default: drawn samples]",
)
@click.option(
    "--name", "thing", metavar="THING", help="Name of the device.  [default: NAME-camera-1]"
)
def camera(name: str, folder: Path | None, thing: str | None) -> None:
    """Run a virtual core device of the fleet of NAME until Ctrl-C.

    The device continues if the emulator stops. The command prints the loss of the connection after
    10 s, and the reconnection.

    Exit codes: 1 the device ended, or the emulator runs on other ports, 2 wrong usage or input,
    3 the emulator is not running, 130 interrupted.
    """
    thing = thing or f"{name}-camera-1"
    if not _THING.fullmatch(thing):
        raise click.BadParameter(
            f"{thing!r} is not a valid name: expected letters, digits, - and _ (at most 128)",
            param_hint="--name",
        )
    with interruptible():
        if folder is not None:
            check_images(folder)
        environment, endpoint = checkout_environment(name), running_emulator()
        cores.check_runtime(environment)
        images = folder or sample_images(environment.model.name)
        with cores.provisioned_core(Steps(), environment, endpoint, thing, images) as core:
            click.echo(
                f"{thing} shows {len(image_files(images))} images of {relative_path(images)}"
            )
            if folder is None:
                click.echo("  to show your own: `deeplens local camera --images folder`")
            click.echo(f"  its log: {relative_path(core.log)}; Ctrl-C stops it")
            if environment.inference.live_view_port is not None:
                address = cores.wait_for_live_view(core)
                click.echo(f"live view: {address or f'not open yet; see {core.live_view_file}'}")
            cores.stay(
                core,
                endpoint,
                lambda address: click.echo(f"live view: {address}"),
                outage=lambda line: click.echo(line, err=True),
            )
