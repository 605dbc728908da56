"""An environment's fleet, as its deployed Devices stack describes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from fleet_tools.errors import FleetError
from stacks.config import EnvironmentConfig, load_environment

ENVIRONMENTS = Path("environments")


@dataclass(frozen=True)
class Fleet:
    """Names that a device of the fleet needs."""

    environment: EnvironmentConfig
    thing_group: str
    policy: str
    role_alias: str
    nucleus_version: str


def open_fleet(name: str, environments: Path = ENVIRONMENTS) -> tuple[Fleet, boto3.Session]:
    """Read the environment and its Devices stack.

    Raises:
        ConfigError: the environment file is missing or wrong.
        FleetError: the credentials are of another account, or the stack is not deployed.
    """
    environment = load_environment(environments / f"{name}.toml")
    session = boto3.Session(region_name=environment.region)
    account = session.client("sts").get_caller_identity()["Account"]
    if account != environment.account:
        raise FleetError(
            f"the credentials are of account {account}, {name} is in {environment.account}; "
            "take credentials of that account"
        )
    outputs = _outputs(session, f"{name}-Devices")
    fleet = Fleet(
        environment=environment,
        thing_group=outputs["ThingGroupName"],
        policy=outputs["CoreDevicePolicyName"],
        role_alias=outputs["RoleAliasName"],
        nucleus_version=outputs["NucleusVersion"],
    )
    return fleet, session


def _outputs(session: boto3.Session, stack: str) -> dict[str, str]:
    client: Any = session.client("cloudformation")
    try:
        (found,) = client.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise FleetError(
            f"the stack {stack} is not deployed; `cdk deploy '{stack.replace('-', '/')}'` first"
        ) from None
    return {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", [])}
