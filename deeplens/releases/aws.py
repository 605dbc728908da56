"""Read-only queries about an environment's release on AWS.

Tags of a deployment contain its state: `Custom::DeepLensProject` tags a verified deployment, and
`deeplens fleet stop` tags a stopped one (`shared.fleet.deployments`).
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from deeplens.config import EnvironmentConfig
from model_tools.errors import NoCameraError, NoEmulatorError, RegistryError
from shared.fleet import deployments
from shared.fleet.deployments import Deployment
from shared.fleet.device_state import ReceivedHeartbeat
from shared.fleet.gate import GateRule, deviations
from shared.fleet.queries import FleetQueries

_IN_PROGRESS = "_IN_PROGRESS"


class AccountAndRegion(Protocol):
    """An account and a Region, with the name that their AWS profile contains."""

    @property
    def name(self) -> str:
        """The name in the profile `deeplens-<name>`."""

    @property
    def account(self) -> str:
        """The account id of twelve digits."""

    @property
    def region(self) -> str:
        """The AWS Region."""


@dataclass(frozen=True)
class AwsAccounts:
    """Access to the accounts of all environments and of the pipeline.

    Attributes:
        emulator: `endpoint.json` of an emulator to call instead of AWS, or None.
        role: ARN of a role of the environment's account to assume, or None.
    """

    emulator: Path | None = None
    role: str | None = None
    _sessions: dict[str, boto3.Session] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def deployments(self, environment: EnvironmentConfig) -> list[Deployment]:
        """Return the deployments with a release from the fleet's newest 50, the current one first.

        Raises:
            RegistryError: AWS rejects a query, or the emulator is not running.
        """
        with aws_errors(environment.name):
            greengrass = self.client(environment, "greengrassv2")
            target_arn = (
                f"arn:{greengrass.meta.partition}:iot:{environment.region}:{environment.account}"
                f":thinggroup/{environment.fleet.thing_group}"
            )
            return [
                deployment
                for deployment in deployments.history(greengrass, target_arn)
                if deployment.model_digest
            ]

    def verification(self, environment: EnvironmentConfig, digest: str) -> str:
        """Return the verification of a release as text: the gate's result, or the cameras' reports.

        The deploy stores the result of its gate. A camera that was connected later reports its
        release in its heartbeat. If a reachable camera does not run the release by the rule of the
        gate, the stored result does not apply.

        Raises:
            NoCameraError: the deploy stored no verification, and no camera is reachable.
            RegistryError: the release is not verified for another reason, or AWS rejects a query.
        """
        releases, label = self.deployments(environment), f"{digest[:12]}…"
        if not releases:
            raise RegistryError(f"{label} was never deployed there")
        current = releases[0]
        if current.model_digest != digest:
            raise RegistryError(
                f"{label} is not the release of the fleet, which is "
                f"{(current.model_digest or '')[:12]}…"
            )
        if current.stopped is not None:
            raise RegistryError(f"{label} was stopped there: {current.stopped}")
        now = time.time()
        rule = GateRule.of(environment.rollout.to_plan())
        alive = [camera for camera in self.heartbeats(environment) if camera.is_alive(now)]
        problems = [
            f"{camera.thing}: {deviation}"
            for camera in alive
            if (deviation := next(deviations(camera, rule, digest, current.function_arn), ""))
        ]
        if problems:
            raise RegistryError(f"{label} does not run on every camera: {'; '.join(problems)}")
        if current.verification is not None:
            return current.verification
        if not alive:
            raise NoCameraError(
                f"{label} has not been verified by a camera: no camera is connected now, and none "
                "was when it was deployed"
            )
        return f"{len(alive)} of {len(alive)} reachable cameras report that they run it"

    def heartbeats(self, environment: EnvironmentConfig) -> list[ReceivedHeartbeat]:
        """Return the last heartbeats of the fleet, one for each camera that has sent a heartbeat.

        The list is empty if the thing group does not exist.

        Raises:
            RegistryError: AWS rejects a query, or the emulator is not running.
        """
        with aws_errors(environment.name):
            fleet = FleetQueries(
                iot=self.client(environment, "iot"),
                iot_data=self.client(environment, "iot-data"),
                greengrass=None,
            )
            try:
                things = fleet.things(environment.fleet.thing_group)
            except fleet.iot.exceptions.ResourceNotFoundException:
                return []
            # `FleetQueries.heartbeats` omits a camera if its query fails. Here, a failed query is
            # an error, so the cameras are queried one by one.
            return [
                heartbeat
                for thing in things
                if (heartbeat := fleet.last_heartbeat(thing)) is not None
            ]

    def stack_status(self, environment: EnvironmentConfig) -> str | None:
        """Return the status of the stack with the project, or None if the stack is absent."""
        with aws_errors(environment.name):
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

    def check_idle(self, environment: EnvironmentConfig) -> None:
        """Raise `RegistryError` if an operation of the stack `<name>-Inference` is in progress."""
        status = self.stack_status(environment)
        if status and status.endswith(_IN_PROGRESS):
            stack = f"{environment.name}-Inference"
            raise RegistryError(
                f"{environment.name}: a rollout is in progress ({stack} is {status}); wait "
                "for it, or end it with `aws cloudformation cancel-update-stack --stack-name "
                f"{stack}`"
            )

    def stored_bytes(self, environment: EnvironmentConfig, model: str, digest: str) -> int | None:
        """Return the size, in bytes, of an artifact in the model store, or None if it is absent."""
        with aws_errors(environment.name):
            client = self.client(environment, "s3")
            key = f"components/{model}/{digest}/model.zip"
            try:
                return int(
                    client.head_object(Bucket=environment.model_store.bucket_name, Key=key)[
                        "ContentLength"
                    ]
                )
            except ClientError as error:
                if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NoSuchBucket"}:
                    return None
                raise

    def client(self, place: AccountAndRegion, service: str) -> Any:
        """Return a boto3 client of a service in an account and Region, on AWS or on the emulator.

        Raises:
            NoEmulatorError: the emulator is not running.
            RegistryError: the AWS credentials belong to another account.
        """
        connect: Any  # boto3's stub requires a literal name
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

    def _session(self, place: AccountAndRegion) -> boto3.Session:
        """Return the session of an account; a session without a role is cached."""
        if self.role:
            # Role sessions are not cached: their credentials expire after an hour, and a gate can
            # wait longer.
            return self._connect(place)
        if place.name not in self._sessions:
            self._sessions[place.name] = self._connect(place)
        return self._sessions[place.name]

    def _connect(self, place: AccountAndRegion) -> boto3.Session:
        """Return a session with the profile `deeplens-<name>`; without it, use default credentials.

        If `role` is given, these credentials assume the role.

        Raises:
            RegistryError: the credentials belong to another account.
        """
        profile = f"deeplens-{place.name}"
        profiles = boto3.Session().available_profiles
        session = boto3.Session(
            profile_name=profile if profile in profiles else None, region_name=place.region
        )
        if self.role:
            response = session.client("sts").assume_role(
                RoleArn=self.role, RoleSessionName="deeplens-registry"
            )
            credentials = response["Credentials"]
            session = boto3.Session(
                credentials["AccessKeyId"],
                credentials["SecretAccessKey"],
                credentials["SessionToken"],
                region_name=place.region,
            )
        account = session.client("sts").get_caller_identity()["Account"]
        if account != place.account:
            raise RegistryError(
                f"{place.name}: the credentials are of account {account}, expected "
                f"{place.account}; create the profile '{profile}', or set AWS_PROFILE"
            )
        return session


@contextmanager
def aws_errors(name: str) -> Iterator[None]:
    """Convert AWS and connection errors to `RegistryError`.

    The message has one line, which begins with the environment's name.
    """
    try:
        yield
    except ClientError as error:
        problem = error.response["Error"]
        raise RegistryError(
            f"{name}: AWS rejected {error.operation_name}: {problem['Code']}: {problem['Message']}"
        ) from None
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise RegistryError(
            f"{name}: no AWS credentials ({error}); set AWS_PROFILE or create a profile "
            f"'deeplens-{name}', or add --local to use the emulator of this checkout"
        ) from None
    except BotoCoreError as error:
        raise RegistryError(f"{name}: AWS did not answer: {error}") from None


def _endpoint(emulator: Path) -> tuple[str, str]:
    """Return the URL and the root key from the `endpoint.json` of an emulator.

    Raises:
        NoEmulatorError: the emulator is not running.
    """
    try:
        endpoint = json.loads(emulator.read_text(encoding="utf-8"))
        return str(endpoint["endpoint_url"]), str(endpoint["root_key"])
    except (OSError, ValueError, KeyError):
        raise NoEmulatorError(
            f"{emulator}: the emulator is not running; start it with `deeplens local up`"
        ) from None


def _secret(root_key: str, account: str) -> str:
    """Return an account's secret access key, as docs/emulator.md defines it."""
    return hmac.new(root_key.encode(), account.encode(), hashlib.sha256).hexdigest()
