"""A session with an environment's fleet: the environment, outputs of its stack, AWS clients."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from deeplens.config import EnvironmentConfig, load_environment
from deeplens.fleet.emulator import emulator_session
from deeplens.fleet.errors import FleetError
from shared.fleet import deployments
from shared.fleet.deployments import Deployment
from shared.fleet.queries import FleetQueries
from shared.fleet.rollout import RolloutPlan, wave_group


@dataclass(frozen=True)
class DeviceNames:
    """The values for a device from the outputs of the Devices stack."""

    policy: str
    role_alias: str
    nucleus_version: str


@dataclass(frozen=True)
class FleetSession:
    """An environment, and the clients of its account and Region."""

    environment: EnvironmentConfig
    boto_session: boto3.Session

    @cached_property
    def iot(self) -> Any:
        """The IoT client."""
        return self.boto_session.client("iot")

    @cached_property
    def greengrass(self) -> Any:
        """The Greengrass client."""
        return self.boto_session.client("greengrassv2")

    @cached_property
    def fleet(self) -> FleetQueries:
        """Queries about the devices."""
        return FleetQueries(
            iot=self.iot, iot_data=self.boto_session.client("iot-data"), greengrass=self.greengrass
        )

    @property
    def thing_group(self) -> str:
        """The name of the fleet's thing group."""
        return self.environment.fleet.thing_group

    @property
    def deployment_name(self) -> str:
        """The name of each deployment of the project."""
        return f"deeplens-{self.environment.name}"

    @property
    def waves(self) -> tuple[str, ...]:
        """The thing group name of each wave of the rollout, in order."""
        return tuple(
            wave.thing_group or wave_group(self.deployment_name, number, self.thing_group)
            for number, wave in enumerate(self.environment.rollout.waves, start=1)
        )

    @property
    def plan(self) -> RolloutPlan:
        """The rollout plan of the environment file, as the deploy uses it."""
        return RolloutPlan.from_document(self.environment.rollout.to_plan())

    @property
    def target_arn(self) -> str:
        """The ARN of the thing group that is the target of the project's deployments."""
        environment = self.environment
        partition = self.boto_session.get_partition_for_region(environment.region)
        return (
            f"arn:{partition}:iot:{environment.region}:{environment.account}"
            f":thinggroup/{self.thing_group}"
        )

    def things(self) -> list[str]:
        """Return the names of the fleet's devices; raise `FleetError` if the group is absent."""
        try:
            return self.fleet.things(self.thing_group)
        except self.iot.exceptions.ResourceNotFoundException:
            raise FleetError(
                f"there is no thing group {self.thing_group}; {self._deploy('Devices')} creates it"
            ) from None

    def things_of(self, wave: str) -> list[str]:
        """Return the names of a wave's devices; an empty list if the group is absent."""
        try:
            return self.fleet.things(wave)
        except self.iot.exceptions.ResourceNotFoundException:
            return []

    def current(self) -> Deployment:
        """Return the fleet's current deployment; raise `FleetError` if none exists."""
        current = deployments.latest(self.greengrass, self.target_arn)
        if current is None:
            raise FleetError(
                f"{self.thing_group} has no deployment yet; {self._deploy('*')} creates one"
            )
        return current

    def device_names(self) -> DeviceNames:
        """Return the outputs of the Devices stack.

        Raises:
            FleetError: the stack or an output is absent.
        """
        stack = f"{self.environment.name}-Devices"
        client: Any = self.boto_session.client("cloudformation")
        try:
            (description,) = client.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise FleetError(
                f"the stack {stack} is not deployed; {self._deploy('Devices')} first"
            ) from None
        outputs = {
            output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])
        }
        try:
            return DeviceNames(
                policy=outputs["CoreDevicePolicyName"],
                role_alias=outputs["RoleAliasName"],
                nucleus_version=outputs["NucleusVersion"],
            )
        except KeyError as missing:
            raise FleetError(
                f"the stack {stack} has no output {missing}: {description['StackStatus']}; "
                f"{self._deploy('Devices')} again"
            ) from None

    def _deploy(self, stack: str) -> str:
        return f"`cdk deploy '{self.environment.name}/{stack}'`"


def open_session(environments: Path, name: str, *, local: bool = False) -> FleetSession:
    """Open a session in an environment's account, on AWS or on the emulator of this checkout.

    Raises:
        ConfigError: the environment file is absent or invalid.
        FleetError: credentials are missing or belong to another account, or the emulator is not
            running.
    """
    environment = load_environment(environments / f"{name}.toml")
    session = (
        emulator_session(environment) if local else boto3.Session(region_name=environment.region)
    )
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise FleetError(
            f"no AWS credentials for account {environment.account} ({error}); set AWS_PROFILE, or "
            "add --local to use the emulator of this checkout"
        ) from None
    if account != environment.account:
        raise FleetError(
            f"the credentials are of account {account}, {name} is in {environment.account}; "
            "choose another profile (AWS_PROFILE), or add --local to use the emulator"
        )
    return FleetSession(environment, session)
