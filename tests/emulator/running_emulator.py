"""Helpers for tests of the emulator: the command, clients, a function and a recipe."""

import io
import json
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

from local_aws.process.endpoint import secret_access_key
from testkit.waiting import HANG_SECONDS, eventually

ACCOUNT = "111111111111"
REGION = "eu-central-1"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Command:
    """The emulator's command line with a state folder."""

    state: Path

    def __call__(self, *arguments: str, limit: str = "") -> "subprocess.CompletedProcess[str]":
        """Run the command, with a shell limit if `limit` (arguments of `ulimit`) is not empty."""
        limited = ["bash", "-c", f'ulimit {limit} && exec "$@"', "bash"] if limit else []
        return subprocess.run(
            [*limited, *self.words, *arguments], capture_output=True, text=True, cwd=ROOT,
            timeout=2 * HANG_SECONDS, check=False,
        )  # fmt: skip

    @property
    def words(self) -> list[str]:
        return [sys.executable, "-m", "local_aws", "--state", str(self.state)]

    def endpoint(self) -> dict[str, Any]:
        endpoint: dict[str, Any] = json.loads((self.state / "endpoint.json").read_text())
        return endpoint


@dataclass(frozen=True)
class Emulator:
    """A running emulator, with clients."""

    command: Command
    endpoint: dict[str, Any]
    _clients: dict[tuple[str, str, str], Any] = field(default_factory=dict, repr=False)

    def secret(self, account: str = ACCOUNT) -> str:
        return secret_access_key(self.endpoint["root_key"], account)

    def client(self, service: str, account: str = ACCOUNT, region: str = REGION) -> Any:
        """Return a cached client, because botocore loads the service model for each new client."""
        key = (service, account, region)
        if key not in self._clients:
            self._clients[key] = self._connect(*key, Config())
        return self._clients[key]

    def unchecked_client(self, service: str) -> Any:
        """Return a client without the SDK's validation of inputs."""
        return self._connect(service, ACCOUNT, REGION, Config(parameter_validation=False))

    def _connect(self, service: str, account: str, region: str, config: Config) -> Any:
        connect: Any = boto3.client  # boto3's stub requires a literal name
        return connect(
            service,
            endpoint_url=self.endpoint["endpoint_url"],
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key=self.secret(account),
            config=config,
        )


def after_a_snapshot(command: Command) -> None:
    """Wait until a snapshot contains all changes that precede the call."""

    def taken() -> int:
        times = [0]
        for snapshot in (command.state / "snapshots").glob("[0-9]*"):
            # The emulator may replace the snapshot at any time.
            with suppress(FileNotFoundError):
                times.append(snapshot.stat().st_mtime_ns)
        return max(times)

    # The first snapshot may have started before the call, so a second snapshot is necessary.
    for _ in range(2):
        before = taken()
        eventually(lambda before=before: taken() > before)


FUNCTIONS_ROLE = "functions"


def create_role(
    aws: Emulator, name: str, *statements: dict[str, Any], service: str = "", **options: Any
) -> str:
    """Create a role for a service or, by default, for the role's account; return the ARN."""
    trusted = {"Service": service} if service else {"AWS": ACCOUNT}
    iam = aws.client("iam")
    role: str = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=policy(
            {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
        ),
        **options,
    )["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return role


def functions_role(aws: Emulator) -> str:
    """Return the ARN of a role for functions that only write logs; create the role if necessary."""
    with suppress(aws.client("iam").exceptions.EntityAlreadyExistsException):
        create_role(aws, FUNCTIONS_ROLE, service="lambda.amazonaws.com")
        managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
        aws.client("iam").attach_role_policy(RoleName=FUNCTIONS_ROLE, PolicyArn=managed)
    return f"arn:aws:iam::{ACCOUNT}:role/{FUNCTIONS_ROLE}"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def publish_function(aws: Emulator, source: str, name: str = "", role: str = "") -> str:
    """Publish a function; return the version's ARN.

    The default role only allows writing logs.
    """
    client = aws.client("lambda")
    name = name or f"deeplens-{uuid4().hex[:12]}"
    client.create_function(
        FunctionName=name, Runtime="python3.12", Handler="handler.handle", Timeout=900,
        Role=role or functions_role(aws), Code={"ZipFile": archive(source)},
    )  # fmt: skip
    return str(client.publish_version(FunctionName=name)["FunctionArn"])


def archive(source: str) -> bytes:
    """Return a zip archive of a function's code with one module."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as files:
        files.writestr("handler.py", source)
    return content.getvalue()


def recipe(name: str, version: str = "1.0.0", **extra: Any) -> dict[str, Any]:
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentVersion": version,
        "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": {"install": "true"}}],
        **extra,
    }
