"""Addresses, credentials and commands of the emulator and its virtual core devices."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import click
from botocore.exceptions import ClientError

import local_aws.process.endpoint
from deeplens.config import EnvironmentConfig
from deeplens.local.processes import CommandFailed, run, running
from deeplens.local.status import status_line
from local_aws.core_device.layout import Layout
from local_aws.process.endpoint import secret_access_key
from local_aws.state.paths import StatePaths

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
LOGS = LOCAL / "logs"
LOCAL_AWS: list[str | Path] = [ROOT / ".venv-local-aws" / "bin" / "python", "-m", "local_aws"]

_NOT_RUNNING = 3
_START_SECONDS = 180.0


@dataclass(frozen=True)
class Endpoint:
    """The process id, addresses, CA certificate and root key of the running emulator."""

    pid: int
    url: str
    mqtt_host: str
    mqtt_port: int
    ca_file: Path
    root_key: str = field(repr=False)

    @property
    def address(self) -> tuple[str, str, int]:
        """The URL, MQTT host and MQTT port to which clients connect."""
        return self.url, self.mqtt_host, self.mqtt_port


def read_endpoint() -> Endpoint | None:
    """Return the endpoint of the emulator, or None if the emulator is not running."""
    endpoint = local_aws.process.endpoint.running(StatePaths(LOCAL / "aws"))
    if endpoint is None:
        return None
    return Endpoint(
        endpoint.pid,
        endpoint.endpoint_url,
        endpoint.mqtt_host,
        endpoint.mqtt_port,
        Path(endpoint.ca_file),
        endpoint.root_key,
    )


def running_emulator() -> Endpoint:
    """Return the endpoint of the running emulator.

    Raises:
        CommandFailed: the emulator is not running; the exit code is 3.
    """
    endpoint = read_endpoint()
    if endpoint is None:
        raise CommandFailed(
            "the emulator is not running; start it with `deeplens local up`", _NOT_RUNNING
        )
    return endpoint


@contextmanager
def started_emulator() -> Iterator[Endpoint]:
    """Yield the endpoint of the running emulator; if none is running, run one during the block.

    Raises:
        CommandFailed: the emulator ends, or is not ready within 180 s.
    """
    endpoint = read_endpoint()
    if endpoint:
        yield endpoint
        return
    log = LOGS / "local-aws.log"
    began_at = log.stat().st_size if log.is_file() else 0
    with running([*LOCAL_AWS, "up", "--foreground"], log) as server:
        endpoint = _wait_until_ready(server, log)
        # Print the emulator's notes, for example about state that was discarded.
        printed = log.read_bytes()[began_at:].decode(errors="replace").splitlines()
        for note in printed:
            if note.startswith("emulator: "):
                click.echo(f"  {note}")
        yield endpoint


def session(environment: EnvironmentConfig, endpoint: Endpoint) -> boto3.Session:
    """Return a session with credentials that the emulator accepts for the environment's account."""
    return boto3.Session(
        aws_access_key_id=environment.account,
        aws_secret_access_key=secret_access_key(endpoint.root_key, environment.account),
        region_name=environment.region,
    )


def tools() -> dict[str, str]:
    """Return this process's environment, with the checkout's tools in PATH and CDK settings."""
    return {
        **os.environ,
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        # CDK caches the account of each access key. Accounts of the emulator need a separate cache.
        "CDK_HOME": str(LOCAL / "cdk"),
    }


def shell(environment: EnvironmentConfig, endpoint: Endpoint) -> dict[str, str]:
    """Return the variables of `tools` and those with which AWS tools connect to the emulator."""
    return {
        **tools(),
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_ACCESS_KEY_ID": environment.account,
        "AWS_SECRET_ACCESS_KEY": secret_access_key(endpoint.root_key, environment.account),
        "AWS_REGION": environment.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        # The CDK CLI is one file of 20 MB; Node.js caches its compiled code in this folder.
        "NODE_COMPILE_CACHE": str(LOCAL / "node"),
    }


def outputs(environment: EnvironmentConfig, endpoint: Endpoint, stack: str) -> dict[str, str]:
    """Return the outputs of one of the environment's stacks.

    Raises:
        CommandFailed: the stack is not deployed.
    """
    client = session(environment, endpoint).client("cloudformation", endpoint_url=endpoint.url)
    name = f"{environment.name}-{stack}"
    try:
        (description,) = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        raise CommandFailed(
            f"the stack {name} is not on the emulator ({error}); "
            f"`deeplens local deploy {environment.name}` deploys it"
        ) from None
    return {item["OutputKey"]: item["OutputValue"] for item in description.get("Outputs", [])}


def provision(environment: EnvironmentConfig, endpoint: Endpoint, thing: str) -> None:
    """Provision a virtual core device in the environment's fleet.

    Raises:
        CommandFailed: the stack `Devices` is not deployed, or the device cannot be provisioned.
    """
    devices = outputs(environment, endpoint, "Devices")
    run(
        [
            *LOCAL_AWS,
            "core",
            "provision",
            "--thing",
            thing,
            "--thing-group",
            devices["ThingGroupName"],
            "--policy",
            devices["CoreDevicePolicyName"],
            "--role-alias",
            devices["RoleAliasName"],
            "--account",
            environment.account,
            "--region",
            environment.region,
            "--core-runtime",
            environment.fleet.core_runtime,
        ],
        LOGS / f"{thing}-provision.log",
    )


def core_command(thing: str, camera_folder: Path) -> list[str | Path]:
    """Return the command line that runs a virtual core device."""
    return [*LOCAL_AWS, "core", "run", "--thing", thing, "--camera-folder", camera_folder]


def core_files(thing: str) -> Layout:
    """Return the paths of a virtual core device's files."""
    return Layout.of(thing, LOCAL / "cores")


def inference_component(environment: EnvironmentConfig) -> str:
    """Return the name of the component that runs the camera's loop."""
    return environment.inference_component


def _wait_until_ready(server: subprocess.Popen[bytes], log: Path) -> Endpoint:
    give_up_at = time.monotonic() + _START_SECONDS
    with status_line() as status:
        while time.monotonic() < give_up_at:
            endpoint = read_endpoint()
            if endpoint:
                return endpoint
            if server.poll() is not None:
                tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-15:])
                raise CommandFailed(
                    f"the emulator ended with exit code {server.returncode}:\n{tail}"
                )
            status.update("starting")
            time.sleep(0.1)
    raise CommandFailed(f"the emulator was not ready within {_START_SECONDS:.0f} s; see {log}")
