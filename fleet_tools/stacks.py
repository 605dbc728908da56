"""An environment's stacks, as its file enables them, and what CloudFormation has of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from fleet_tools.site import Site
from stacks.config import EnvironmentConfig


@dataclass(frozen=True)
class Stack:
    """A stack that exists.

    Attributes:
        name: for example `dev-Inference`.
        status: CloudFormation's status.
        protected: termination protection is enabled.
    """

    name: str
    status: str
    protected: bool


def stack_names(environment: EnvironmentConfig) -> list[str]:
    """Return the names of an environment's stacks; each stack follows those that it depends on."""
    parts = ["ModelStore", "Devices"]
    if environment.monitoring.enabled:
        parts.append("Monitoring")
    parts.append("Inference")
    if environment.hosting.enabled:
        parts.append("Hosting")
    if environment.training.enabled:
        parts.append("Training")
    if environment.deeplens_roles:
        parts.append("DeepLensRoles")
    return [f"{environment.name}-{part}" for part in parts]


def find_stack(site: Site, name: str) -> Stack | None:
    """Return the stack of that name; None if it does not exist."""
    client: Any = site.session.client("cloudformation")
    try:
        (found,) = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    if found["StackStatus"] == "DELETE_COMPLETE":
        return None
    return Stack(name, found["StackStatus"], bool(found.get("EnableTerminationProtection")))


def resources(site: Site, stack: str) -> Iterator[tuple[str, str]]:
    """Yield the type and the physical id of each resource of a stack; none if it is absent."""
    client: Any = site.session.client("cloudformation")
    try:
        for page in client.get_paginator("list_stack_resources").paginate(StackName=stack):
            for one in page["StackResourceSummaries"]:
                if one.get("PhysicalResourceId") and one["ResourceStatus"] != "DELETE_COMPLETE":
                    yield one["ResourceType"], one["PhysicalResourceId"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
