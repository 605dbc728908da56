"""The `core` commands, which provision, run and inspect virtual core devices."""

import asyncio
import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import boto3
import click
from awscrt.exceptions import AwsCrtError

from local_aws.cli_options import examples
from local_aws.core_device.device import NUCLEI, CoreDevice
from local_aws.core_device.errors import CoreDeviceError
from local_aws.core_device.layout import Identity, Layout
from local_aws.core_device.nucleus import Kind
from local_aws.core_device.provisioning import provision as provision_identity
from local_aws.core_device.running_lock import exclusive
from local_aws.process.endpoint import Endpoint, running
from local_aws.state.paths import DEFAULT_STATE, StatePaths

CORES = Path(".local") / "cores"
DEVICE_PYTHON = Path(".venv-device") / "bin" / "python"
_PR_SET_PDEATHSIG = 1
_NOT_RUNNING = 3

_state = click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=DEFAULT_STATE,
    envvar="LOCAL_AWS_STATE",
    show_default=True,
    help="The emulator's folder.",
)
_cores = click.option(
    "--cores",
    type=click.Path(path_type=Path),
    default=CORES,
    show_default=True,
    help="Folder of all virtual core devices.",
)
_thing = click.option("--thing", required=True, help="Name of the core device's thing.")


@click.group()
def core() -> None:
    """Virtual Greengrass V2 core devices.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the emulator is not running.
    """


@core.command(
    epilog=examples("local core provision --thing dev-camera-1 --thing-group deeplens-dev …"),
    short_help="Give a device its identity in a fleet.",
)
@_thing
@click.option("--thing-group", required=True, help="Thing group of the fleet.")
@click.option("--policy", required=True, help="IoT policy for the certificate.")
@click.option("--role-alias", required=True, help="Alias of the token exchange role.")
@click.option("--account", required=True, help="The AWS account's twelve digits.")
@click.option("--region", required=True, help="The AWS Region.")
@click.option(
    "--core-runtime",
    type=click.Choice(list(NUCLEI)),
    default="classic",
    show_default=True,
    help="Core software of the device.",
)
@_cores
@_state
def provision(  # noqa: PLR0913, PLR0917 - one parameter per option
    thing: str,
    thing_group: str,
    policy: str,
    role_alias: str,
    account: str,
    region: str,
    core_runtime: Kind,
    cores: Path,
    state: Path,
) -> None:
    """Give a device its identity in a fleet; keep an identity whose certificate exists."""
    endpoint = _endpoint(state)
    iot = boto3.client(
        "iot",
        endpoint_url=endpoint.endpoint_url,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key=endpoint.secret_access_key(account),
    )
    identity = Identity(thing, thing_group, account, region, role_alias, "", core_runtime)
    try:
        issued = provision_identity(iot, Layout.of(thing, cores), identity, policy)
    except CoreDeviceError as error:
        raise click.ClickException(str(error)) from None
    certificate = "new certificate" if issued else "existing certificate"
    click.echo(f"{thing}: {certificate}, member of {thing_group}")


@core.command(
    epilog=examples("local core run --thing dev-camera-1"),
    short_help="Run a device until it is interrupted.",
)
@_thing
@click.option(
    "--camera-folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of images for the virtual camera.",
)
@click.option(
    "--device-python",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=DEVICE_PYTHON,
    show_default=True,
    help="Python interpreter of functions.",
)
@click.option(
    "--health-pause",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Seconds between two health messages; the classic nucleus waits 10.",
)
@_cores
@_state
def run(  # noqa: PLR0913, PLR0917 - one parameter per option
    thing: str,
    camera_folder: Path | None,
    device_python: Path,
    health_pause: float,
    cores: Path,
    state: Path,
) -> None:
    """Run a device in the foreground until it is interrupted or its parent process ends."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    endpoint = _endpoint(state)
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format=f"%(asctime)s core {thing}: %(message)s"
    )
    interpreter = device_python.absolute()
    folder = camera_folder.absolute() if camera_folder else None
    logging.getLogger(__name__).info("functions run on Python %s", _python_version(interpreter))
    try:
        layout = Layout.of(thing, cores)
        with exclusive(layout):
            asyncio.run(_run(endpoint, layout, interpreter, folder, health_pause))
    except CoreDeviceError as error:
        raise click.ClickException(str(error)) from None
    except AwsCrtError as error:
        text = f"{thing} cannot connect: {error}{_usual_cause(error, thing)}"
        raise click.ClickException(text) from None


@core.command(epilog=examples("local core status --thing dev-camera-1"))
@_thing
@_cores
def status(thing: str, cores: Path) -> None:
    """Print the recorded components of a device, as JSON."""
    layout = Layout.of(thing, cores)
    try:
        layout.read_identity()
    except CoreDeviceError as error:
        raise click.ClickException(str(error)) from None
    try:
        saved = json.loads(layout.current.read_bytes()) if layout.current.is_file() else {}
        components = {record["name"]: record["version"] for record in saved.get("components", [])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise click.ClickException(
            f"{layout.current} is not the record of a core: {type(error).__name__}: {error}; the "
            "next deployment replaces it"
        ) from None
    click.echo(json.dumps({"thing": thing, "components": components}, indent=1))


async def _run(
    endpoint: Endpoint,
    layout: Layout,
    interpreter: Path,
    camera_folder: Path | None,
    health_pause_seconds: float,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pauses = replace(
        NUCLEI[layout.read_identity().core_runtime].pauses, health_seconds=health_pause_seconds
    )
    await CoreDevice(endpoint, layout, interpreter, camera_folder, pauses=pauses).run(stop)


def _usual_cause(error: AwsCrtError, thing: str) -> str:
    """Return the usual cause of a closed connection, or an empty string for other errors.

    AWS IoT does not report the reason when it closes a connection.
    """
    if error.name != "AWS_ERROR_MQTT_UNEXPECTED_HANGUP":
        return ""
    return (
        f" Usual cause: the certificate's policies do not allow iot:Connect on client/{thing}; "
        "the emulator's log has the reason"
    )


def _endpoint(state: Path) -> Endpoint:
    endpoint = running(StatePaths(state.absolute()))
    if endpoint is None:
        click.echo("the emulator is not running; start it with `deeplens local up`", err=True)
        sys.exit(_NOT_RUNNING)
    return endpoint


def _python_version(interpreter: Path) -> str:
    """Return the Python version of an interpreter.

    Raises:
        ClickException: the program is not a Python interpreter.
    """
    command = [str(interpreter), "-c", "import platform; print(platform.python_version())"]
    try:
        printed = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - the user selects the program
    except (OSError, subprocess.CalledProcessError):
        raise click.ClickException(
            f"--device-python {interpreter} is not a Python interpreter: expected a program such "
            "as .venv-device/bin/python; `make setup` creates it"
        ) from None
    return printed.stdout.strip()
