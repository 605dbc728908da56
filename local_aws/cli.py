"""The command line of the emulator."""

import importlib
import json
import math
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import click

from local_aws.authorization.trace import Trace
from local_aws.cli_options import examples
from local_aws.devices.access import (
    DEFAULT_HOST,
    STANDARD,
    DeviceAccess,
    DeviceAccessError,
    device_access,
)
from local_aws.process.child_processes import is_alive, stop
from local_aws.process.endpoint import Endpoint, running
from local_aws.process.ports import LOOPBACK
from local_aws.state.paths import DEFAULT_STATE, StatePaths
from local_aws.state.recovery import discard
from local_aws.state.snapshots import newest, taken_at

FAILED, NOT_RUNNING = 1, 3
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
# The time limits for the start and the stop are long because the emulator starts ten times slower
# on a busy machine, and loses its state if it is killed.
_START_SECONDS = 300
_STOP_SECONDS = 120
_PROGRESS_SECONDS = 2
_POLL_SECONDS = 0.1
_LOG_LINES = 20
# The maximum of `--delays`. The longest delay on AWS is five minutes: the time until a detached
# policy can be deleted.
_LONGEST_DELAY_SECONDS = 600.0


# Commands that are imported on use, because their imports are slow.
_LAZY = {
    "core": "local_aws.core_device.cli",
    "record": "local_aws.transcripts.cli",
}


class _LazyGroup(click.Group):
    """A click group that imports some of its commands on use.

    System errors, such as a read-only disk, are reported in one line with exit code 1.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and convert an OSError into a ClickException."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_LAZY})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "deliver":
            ctx.fail("the pipeline is executed by `deeplens local deliver`")
        if cmd_name in _LAZY:
            command: click.Command = getattr(importlib.import_module(_LAZY[cmd_name]), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)


_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document, for programs."
)


@contextmanager
def _json_result(*, as_json: bool) -> Iterator[dict[str, Any]]:
    """Yield a dictionary for a command's result, and print it at the end if `as_json` is true.

    With `as_json`, the text that the command prints goes to stderr.
    """
    document: dict[str, Any] = {}
    stdout = sys.stdout
    with redirect_stdout(sys.stderr if as_json else stdout):
        yield document
    if as_json:
        click.echo(json.dumps(document, indent=2), file=stdout)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--state",
    envvar="LOCAL_AWS_STATE",
    default=DEFAULT_STATE,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the emulator's state.",
)
@click.pass_context
def main(context: click.Context, state: Path) -> None:
    """Run the local emulator: AWS services with Greengrass V2, without an AWS account."""
    context.obj = StatePaths(state.resolve())
    os.environ["LOCAL_AWS_STATE"] = str(context.obj.root)


@main.command(epilog=examples("local up", "local up --device-ports"))
@click.option(
    "--foreground", is_flag=True, help="Run in this process, until the parent process ends."
)
@click.option(
    "--daemon", is_flag=True, hidden=True, help="Run in this process, independently of the parent."
)
@click.option(
    "--ends-with",
    type=int,
    metavar="PID",
    envvar="LOCAL_AWS_ENDS_WITH",
    help="End when this process ends, for tests.",
)
@click.option(
    "--trace-authorization",
    "trace_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    envvar="LOCAL_AWS_TRACE_AUTHORIZATION",
    help="Append authorization decisions to FILE, one JSON object per line.",
)
@click.option(
    "--delays",
    type=click.FloatRange(0, _LONGEST_DELAY_SECONDS),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    envvar="LOCAL_AWS_DELAYS",
    help="Delay the effects of asynchronous operations after their response.",
)
@click.option(
    "--device-ports",
    is_flag=False,
    flag_value="1",
    metavar="[MQTT,HTTPS,S3]",
    envvar="LOCAL_AWS_DEVICE_PORTS",
    help=f"Serve real devices on fixed ports.  [default with the option: {STANDARD}]",
)
@click.option(
    "--device-host",
    metavar="NAME",
    envvar="LOCAL_AWS_DEVICE_HOST",
    help=f"Host name at which real devices reach this machine.  [default: {DEFAULT_HOST}]",
)
@click.option(
    "--device-address",
    metavar="ADDRESS",
    envvar="LOCAL_AWS_DEVICE_ADDRESS",
    help=f"IP address of this machine on which to serve real devices.  [default: {LOOPBACK}]",
)
@_json_option
@click.pass_obj
def up(  # noqa: PLR0913 - one parameter per option
    paths: StatePaths,
    *,
    foreground: bool,
    daemon: bool,
    ends_with: int | None,
    trace_file: Path | None,
    delays: float,
    device_ports: str | None,
    device_host: str | None,
    device_address: str | None,
    as_json: bool,
) -> None:
    """Start the emulator and wait until it is ready.

    Exit codes: 0 ready or already running, 1 not started, 2 wrong usage.
    """
    access = _device_access(device_ports, device_host, device_address)
    endpoint = running(paths)
    if endpoint is not None:
        _require_same_access(endpoint, access)
        with _json_result(as_json=as_json) as document:
            document.update(_public(endpoint), started=False)
            click.echo(
                f"emulator: already running at {endpoint.endpoint_url} (process {endpoint.pid})"
            )
        return
    if not math.isfinite(delays):
        raise click.BadParameter(
            f"{delays} is not a finite number of seconds", param_hint="--delays"
        )
    if trace_file is not None:
        # Check the file before the state changes.
        Trace(trace_file)
    if foreground or daemon:
        server: Any = importlib.import_module("local_aws.process.server")
        ends_with = os.getppid() if foreground else ends_with
        server.run(paths, server.Options(ends_with, trace_file, delays, access))
    options = [f"--delays={delays}"]
    if ends_with is not None:
        options.append(f"--ends-with={ends_with}")
    if trace_file is not None:
        options.append(f"--trace-authorization={trace_file.resolve()}")
    if access is not None:
        options.append(f"--device-ports={access.mqtt_port},{access.https_port},{access.s3_port}")
        options += [f"--device-host={access.host}", f"--device-address={access.address}"]
    with _json_result(as_json=as_json) as document:
        document.update(_public(_start(paths, options)), started=True)


@main.command(epilog=examples("local down"))
@_json_option
@click.pass_obj
def down(paths: StatePaths, *, as_json: bool) -> None:
    """Stop the emulator and keep its state.

    Exit codes: 0 stopped or not running, 1 the state could not be saved.
    """
    with _json_result(as_json=as_json) as document:
        endpoint = running(paths)
        document["stopped"] = endpoint is not None
        if endpoint is None:
            # A killed server leaves this file. A file that cannot be removed has no effect, because
            # its process no longer exists.
            with suppress(OSError):
                paths.endpoint.unlink()
            click.echo("emulator: not running")
            return
        _stop(paths, endpoint)


def _stop(paths: StatePaths, endpoint: Endpoint) -> None:
    """Stop the server; raise ClickException if its state was not saved."""
    in_time = stop(endpoint.pid, _STOP_SECONDS)
    if paths.clean_marker.exists():
        click.echo("emulator: stopped, state kept")
        return
    paths.endpoint.unlink(missing_ok=True)
    problem = (
        "stopped, but its state could not be saved"
        if in_time
        else f"did not stop within {_STOP_SECONDS} s and was killed"
    )
    snapshot = newest(paths)
    consequence = (
        f"`up` continues from the state of {taken_at(snapshot):%Y-%m-%d %H:%M:%S}"
        if snapshot
        else "`up` starts with an empty state"
    )
    raise click.ClickException(f"emulator: {problem}: {consequence}; see {paths.log}")


@main.command(epilog=examples("local status --json"))
@click.option("--json", "as_json", is_flag=True, help="Print endpoint.json without the root key.")
@click.pass_obj
def status(paths: StatePaths, *, as_json: bool) -> None:
    """Print the state of the emulator and its addresses.

    Exit codes: 0 running, 3 not running.
    """
    endpoint = _running_or_exit(paths)
    if as_json:
        click.echo(json.dumps(_public(endpoint), indent=2))
        return
    click.echo(f"emulator: runs at {endpoint.endpoint_url} (process {endpoint.pid})")
    click.echo(f"  MQTT broker      {endpoint.mqtt_host}:{endpoint.mqtt_port}")
    click.echo(f"  device endpoint  https://127.0.0.1:{endpoint.device_port}")
    if endpoint.s3_port is not None:
        click.echo(f"  S3 for devices   https://BUCKET.s3.REGION.amazonaws.com:{endpoint.s3_port}")
        click.echo(f"  devices' host    {endpoint.device_host}, on {endpoint.device_address}")
    click.echo(f"  authority        {endpoint.ca_file}")


@main.command(epilog=examples("local env --account 111111111111 --region eu-central-1"))
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="12 digits.")
@click.option("--region", default=DEFAULT_REGION, show_default=True, help="The AWS Region.")
@_json_option
@click.pass_obj
def env(paths: StatePaths, account: str, region: str, *, as_json: bool) -> None:
    """Print exports for a shell that uses the emulator: eval "$(… env)".

    Exit codes: 0 printed, 2 wrong usage, 3 the emulator is not running.
    """
    if len(account) != len(DEFAULT_ACCOUNT) or not (account.isascii() and account.isdigit()):
        raise click.BadParameter(f"{account!r} is not 12 digits", param_hint="--account")
    endpoint = _running_or_exit(paths)
    variables = {
        "AWS_ENDPOINT_URL": endpoint.endpoint_url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_access_key(account),
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_HOME": str(paths.root.parent / "cdk"),
    }
    if as_json:
        click.echo(json.dumps(variables, indent=2))
        return
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@main.command(epilog=examples("local reset"))
@_json_option
@click.pass_obj
def reset(paths: StatePaths, *, as_json: bool) -> None:
    """Remove the emulator's state and its core devices.

    Exit codes: 0 removed, 1 the emulator is running.
    """
    endpoint = running(paths)
    if endpoint is not None:
        click.echo(f"emulator: runs (process {endpoint.pid}); stop it with `down` first", err=True)
        sys.exit(FAILED)
    with _json_result(as_json=as_json) as document:
        notes = list(discard(paths))
        document.update(removed=str(paths.root), notes=notes)
        for note in notes:
            click.echo(note)
        click.echo(f"emulator: state in {paths.root} removed")


def _device_access(ports: str | None, host: str | None, address: str | None) -> DeviceAccess | None:
    if ports is None:
        alone = {"--device-host": host, "--device-address": address}
        given = next((name for name, value in alone.items() if value is not None), None)
        if given:
            raise click.UsageError(f"{given} has no effect without --device-ports; add it")
        return None
    try:
        return device_access(ports, host or DEFAULT_HOST, address or LOOPBACK)
    except DeviceAccessError as error:
        raise click.UsageError(str(error)) from None


def _require_same_access(endpoint: Endpoint, access: DeviceAccess | None) -> None:
    """Raise ClickException if the running emulator does not serve devices as requested."""
    if access is None:
        return
    served = (
        endpoint.mqtt_port,
        endpoint.device_port,
        endpoint.s3_port,
        endpoint.device_host,
        endpoint.device_address,
    )
    if served != astuple(access):
        raise click.ClickException(
            f"emulator: already running (process {endpoint.pid}) without these device ports; "
            "stop it with `down`, then repeat this command"
        )


def _public(endpoint: Endpoint) -> dict[str, Any]:
    """Return the content of endpoint.json without the root key."""
    return {name: value for name, value in asdict(endpoint).items() if name != "root_key"}


def _start(paths: StatePaths, options: list[str]) -> Endpoint:
    """Start the server in the background, wait until it is ready, and return its endpoint.

    If the server does not start in time, the command exits with code 1.
    """
    paths.root.mkdir(parents=True, exist_ok=True)
    click.echo("emulator: starting")
    command = [sys.executable, "-m", "local_aws"]
    with paths.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - runs this package with the same interpreter
            [*command, "--state", str(paths.root), "up", "--daemon", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=Path(__file__).parents[1],
        )
    began = time.monotonic()
    reported = began
    while (endpoint := running(paths)) is None:
        elapsed = time.monotonic() - began
        if process.poll() is not None or elapsed > _START_SECONDS:
            endpoint = running(paths)
            if endpoint is not None:
                break
            _fail_to_start(paths, process)
        if time.monotonic() - reported > _PROGRESS_SECONDS:
            reported = time.monotonic()
            click.echo(f"emulator: starting ({elapsed:.0f} s)")
        time.sleep(_POLL_SECONDS)
    for line in paths.log.read_text(errors="replace").splitlines():
        if line.startswith("emulator:"):
            click.echo(line)
    click.echo(f"emulator: ready at {endpoint.endpoint_url} ({time.monotonic() - began:.1f} s)")
    return endpoint


def _fail_to_start(paths: StatePaths, process: "subprocess.Popen[bytes]") -> None:
    if is_alive(process.pid):
        stop(process.pid, _STOP_SECONDS)
    for line in paths.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]:
        click.echo(f"  {line}", err=True)
    click.echo(f"emulator: did not start; the lines above are the end of {paths.log}", err=True)
    sys.exit(FAILED)


def _running_or_exit(paths: StatePaths) -> Endpoint:
    endpoint = running(paths)
    if endpoint is None:
        click.echo("emulator: not running; start it with `deeplens local up`", err=True)
        sys.exit(NOT_RUNNING)
    return endpoint
