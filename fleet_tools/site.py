"""One environment's fleet, as its file and AWS know it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from deeplens_project import deployments
from deeplens_project.deployments import Deployment
from deeplens_project.fleet import Fleet
from fleet_tools.errors import FleetError
from stacks.config import ConfigError, EnvironmentConfig, load_environment

ENVIRONMENTS = Path("environments")

environment_argument = click.argument("environment")
environments_option = click.option(
    "--environments",
    type=click.Path(path_type=Path, file_okay=False),
    default=ENVIRONMENTS,
    show_default=True,
    help="Folder of the environment files.",
)


def read_environment(environments: Path, name: str) -> EnvironmentConfig:
    """Read an environment's file; raise `FleetError` in words."""
    try:
        return load_environment(environments / f"{name}.toml")
    except ConfigError as error:
        raise FleetError(str(error)) from None


@dataclass(frozen=True)
class Site:
    """An environment and the clients of its account and Region."""

    environment: EnvironmentConfig
    fleet: Fleet

    @property
    def greengrass(self) -> Any:
        """The Greengrass client."""
        return self.fleet.greengrass

    @property
    def thing_group(self) -> str:
        """The fleet's thing group."""
        return self.environment.fleet.thing_group

    @property
    def target_arn(self) -> str:
        """What the project's deployments are for."""
        one = self.environment
        partition = boto3.session.Session().get_partition_for_region(one.region)
        return f"arn:{partition}:iot:{one.region}:{one.account}:thinggroup/{self.thing_group}"

    def current(self) -> Deployment:
        """Return the fleet's current deployment; raise `FleetError` when there is none."""
        found = deployments.latest(self.greengrass, self.target_arn)
        if found is None:
            raise FleetError(
                f"{self.thing_group} has no deployment yet: deploy with "
                f"`cdk deploy '{self.environment.name}/*'`"
            )
        return found


def open_site(environments: Path, name: str) -> Site:
    """Connect to an environment's account; raise `FleetError` when the credentials do not fit."""
    environment = read_environment(environments, name)
    session = boto3.Session(region_name=environment.region)
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise FleetError(f"no AWS credentials for {name}: {error}") from None
    if account != environment.account:
        raise FleetError(
            f"the credentials are of account {account}, {name} is in {environment.account}: "
            "choose another profile (AWS_PROFILE)"
        )
    fleet = Fleet(
        iot=session.client("iot"),
        iot_data=session.client("iot-data"),
        greengrass=session.client("greengrassv2"),
    )
    return Site(environment, fleet)
