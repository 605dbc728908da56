"""The stacks that an environment file enables, and their state in CloudFormation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deeplens.config import EnvironmentConfig
from deeplens.fleet.session import FleetSession

# The stacks in deployment order: dependencies first.
_PARTS = (
    "ModelStore",
    "Devices",
    "Monitoring",
    "Inference",
    "Hosting",
    "Training",
    "DeepLensRoles",
)


@dataclass(frozen=True)
class DeployedStack:
    """An existing stack.

    Attributes:
        name: for example `dev-Inference`.
        status: the status in CloudFormation.
        protected: true if termination protection is enabled.
        description: the description in the template. It identifies a stack of the project, because
            CDK writes no tags to stacks (`explicitStackTags` in cdk.json).
    """

    name: str
    status: str
    protected: bool
    description: str = ""


def stack_names(environment: EnvironmentConfig) -> list[str]:
    """Return the names of the stacks that an environment file enables, in deployment order."""
    optional = {
        "Monitoring": environment.monitoring.enabled,
        "Hosting": environment.hosting.enabled,
        "Training": environment.training.enabled,
        "DeepLensRoles": environment.deeplens_roles,
    }
    return [f"{environment.name}-{part}" for part in _PARTS if optional.get(part, True)]


def possible_stack_names(environment: EnvironmentConfig) -> list[str]:
    """Return the names of all stacks that an environment may have, in deployment order."""
    return [f"{environment.name}-{part}" for part in _PARTS]


def find_stack(session: FleetSession, name: str) -> DeployedStack | None:
    """Return the stack `name`, or None if it does not exist."""
    client: Any = session.boto_session.client("cloudformation")
    try:
        (description,) = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    if description["StackStatus"] == "DELETE_COMPLETE":
        return None
    return DeployedStack(
        name,
        description["StackStatus"],
        bool(description.get("EnableTerminationProtection")),
        description.get("Description", ""),
    )


def resources(session: FleetSession, stack: str) -> Iterator[tuple[str, str]]:
    """Yield type and physical id of each existing resource of a stack; none if it is absent."""
    client: Any = session.boto_session.client("cloudformation")
    try:
        for page in client.get_paginator("list_stack_resources").paginate(StackName=stack):
            for resource in page["StackResourceSummaries"]:
                if (
                    resource.get("PhysicalResourceId")
                    and resource["ResourceStatus"] != "DELETE_COMPLETE"
                ):
                    yield resource["ResourceType"], resource["PhysicalResourceId"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
