"""What AWS knows about an environment's release; asked, never changed.

A project's verdict is on its deployments: `Custom::DeepLensProject` tags what passed the gate with
`deeplens:proven`, and what somebody stopped with `deeplens:stopped`.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from deeplens.releases.cameras import Camera, read_cameras
from deeplens.releases.environments import Environment
from model_tools.errors import NoCameraError, RegistryError

_MODEL_TAG = "deeplens:model-digest"
_FUNCTION_TAG = "deeplens:function"
_PROVEN_TAG = "deeplens:proven"
_STOPPED_TAG = "deeplens:stopped"

# How far back a release counts as kept.
_MOST_KEPT = 50
_UNDER_WAY = "_IN_PROGRESS"


class Place(Protocol):
    """An account and a Region, under the name that its profile has."""

    @property
    def name(self) -> str:
        """As in `deeplens-<name>`."""

    @property
    def account(self) -> str:
        """Twelve digits."""

    @property
    def region(self) -> str:
        """An AWS Region."""


@dataclass(frozen=True)
class Deployed:
    """One deployment of a fleet.

    Attributes:
        proven: the project's verdict when its gate passed, with the time; None if it never did.
        stopped: why somebody stopped it, or None.
    """

    digest: str
    function: str
    created_at: float
    proven: str | None
    stopped: str | None

    @property
    def is_healthy(self) -> bool:
        """Whether its gate passed and nobody stopped it."""
        return self.proven is not None and self.stopped is None


@dataclass(frozen=True)
class Cloud:
    """The accounts of all environments.

    Attributes:
        emulator: `endpoint.json` of an emulator to call instead of AWS, or None.
        role: ARN of a role of the environment's account to ask as, or None.
    """

    emulator: Path | None = None
    role: str | None = None
    _sessions: dict[str, boto3.Session] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def deployments(self, environment: Environment) -> list[Deployed]:
        """Return the fleet's deployments that carry a release, newest first."""
        with asking(environment.name):
            greengrass = self.client(environment, "greengrassv2")
            return list(islice(_deployments(greengrass, environment), _MOST_KEPT))

    def proof(self, environment: Environment, digest: str) -> str:
        """Return what proves a release: the project's verdict, or each reachable camera's own word.

        The project writes its verdict when it deploys. A camera that joined later says in its
        heartbeat what it runs; and one that runs something else now outweighs any verdict.

        Raises:
            RegistryError: the release is not proven there now; the text begins with its digest.
        """
        deployed, what = self.deployments(environment), f"{digest[:12]}…"
        if not deployed:
            raise RegistryError(f"{what} was never deployed there")
        current = deployed[0]
        if current.digest != digest:
            raise RegistryError(f"{what} is not what the fleet has, that is {current.digest[:12]}…")
        if current.stopped is not None:
            raise RegistryError(f"{what} was stopped there: {current.stopped}")
        alive = [one for one in self.cameras(environment) if one.is_alive]
        complaints = [text for one in alive if (text := one.complaint(digest, current.function))]
        if complaints:
            raise RegistryError(f"{what} does not run on every camera: {'; '.join(complaints)}")
        if current.proven is not None:
            return current.proven
        if not alive:
            raise NoCameraError(
                f"{what} has not been verified by a camera: no camera is connected now, and none "
                "was when it was deployed"
            )
        return f"{len(alive)} of {len(alive)} reachable cameras say that they run it"

    def cameras(self, environment: Environment) -> list[Camera]:
        """Return the last heartbeat of each camera of the fleet."""
        with asking(environment.name):
            return read_cameras(
                self.client(environment, "iot"),
                self.client(environment, "iot-data"),
                environment.thing_group,
            )

    def stack_status(self, environment: Environment) -> str | None:
        """Return the status of the stack that holds the project, None when it is not there."""
        with asking(environment.name):
            client = self.client(environment, "cloudformation")
            try:
                (stack,) = client.describe_stacks(StackName=f"{environment.name}-Inference")[
                    "Stacks"
                ]
            except ClientError as error:
                if error.response["Error"]["Code"] == "ValidationError":
                    return None
                raise
            return str(stack["StackStatus"])

    def check_idle(self, environment: Environment) -> None:
        """Raise `RegistryError` when a deploy or a roll-back of the environment runs."""
        status = self.stack_status(environment)
        if status and status.endswith(_UNDER_WAY):
            stack = f"{environment.name}-Inference"
            raise RegistryError(
                f"{environment.name}: a rollout runs ({stack} is {status}); wait for it, or end "
                f"it with `aws cloudformation cancel-update-stack --stack-name {stack}`"
            )

    def stored_bytes(self, environment: Environment, model: str, digest: str) -> int | None:
        """Return the size of an artifact in the environment's model store, None if it is absent."""
        with asking(environment.name):
            client = self.client(environment, "s3")
            key = f"components/{model}/{digest}/model.zip"
            try:
                return int(client.head_object(Bucket=environment.bucket, Key=key)["ContentLength"])
            except ClientError as error:
                if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NoSuchBucket"}:
                    return None
                raise

    def client(self, place: Place, service: str) -> Any:
        """Return a client of a service in the account and Region of a place."""
        connect: Any  # its stubs want a literal name
        if self.emulator:
            connect = boto3.client
            url, root_key = _endpoint(self.emulator)
            return connect(
                service,
                endpoint_url=url,
                aws_access_key_id=place.account,
                aws_secret_access_key=_secret(root_key, place.account),
                region_name=place.region,
            )
        connect = self._session(place).client
        return connect(service)

    def _session(self, place: Place) -> boto3.Session:
        """Connect to a place's account, once."""
        if self.role:
            # Its credentials end after an hour, and a gate may wait for longer.
            return self._connect(place)
        if place.name not in self._sessions:
            self._sessions[place.name] = self._connect(place)
        return self._sessions[place.name]

    def _connect(self, place: Place) -> boto3.Session:
        """Take a place's profile `deeplens-<name>`, else the usual credentials."""
        profile = f"deeplens-{place.name}"
        known = boto3.Session().available_profiles
        session = boto3.Session(
            profile_name=profile if profile in known else None, region_name=place.region
        )
        if self.role:
            answer = session.client("sts").assume_role(
                RoleArn=self.role, RoleSessionName="deeplens-registry"
            )
            given = answer["Credentials"]
            session = boto3.Session(
                given["AccessKeyId"],
                given["SecretAccessKey"],
                given["SessionToken"],
                region_name=place.region,
            )
        account = session.client("sts").get_caller_identity()["Account"]
        if account != place.account:
            raise RegistryError(
                f"{place.name}: the credentials are of account {account}, it is "
                f"in {place.account}; give it a profile '{profile}', or set AWS_PROFILE"
            )
        return session


@contextmanager
def asking(name: str) -> Iterator[None]:
    """Turn what AWS, or the way to it, refuses into one line with the environment's name."""
    try:
        yield
    except ClientError as error:
        problem = error.response["Error"]
        raise RegistryError(
            f"{name}: AWS refused {error.operation_name}: {problem['Code']}: {problem['Message']}"
        ) from None
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise RegistryError(
            f"{name}: no AWS credentials ({error}); set AWS_PROFILE or make a profile "
            f"'deeplens-{name}', or add --local to use the emulator of this checkout"
        ) from None
    except BotoCoreError as error:
        raise RegistryError(f"{name}: AWS did not answer: {error}") from None


def _endpoint(emulator: Path) -> tuple[str, str]:
    """Return the URL and the root key of the emulator that an `endpoint.json` describes."""
    try:
        endpoint = json.loads(emulator.read_text(encoding="utf-8"))
        return str(endpoint["endpoint_url"]), str(endpoint["root_key"])
    except (OSError, ValueError, KeyError):
        raise RegistryError(
            f"{emulator}: the emulator does not run; start it with `deeplens local up`"
        ) from None


def _secret(root_key: str, account: str) -> str:
    """Return an account's secret access key, as docs/emulator.md defines it."""
    return hmac.new(root_key.encode(), account.encode(), hashlib.sha256).hexdigest()


def _deployments(greengrass: Any, environment: Environment) -> Iterator[Deployed]:
    partition = greengrass.meta.partition
    target = (
        f"arn:{partition}:iot:{environment.region}:{environment.account}"
        f":thinggroup/{environment.thing_group}"
    )
    pages = greengrass.get_paginator("list_deployments").paginate(
        targetArn=target, historyFilter="ALL"
    )
    for page in pages:
        for summary in page["deployments"]:
            found = greengrass.get_deployment(deploymentId=summary["deploymentId"])
            tags = found.get("tags") or {}
            if _MODEL_TAG in tags:
                yield Deployed(
                    digest=tags[_MODEL_TAG],
                    function=tags.get(_FUNCTION_TAG, ""),
                    created_at=found["creationTimestamp"].timestamp(),
                    proven=tags.get(_PROVEN_TAG),
                    stopped=tags.get(_STOPPED_TAG),
                )
