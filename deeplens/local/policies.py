"""The managed policies of `policies/`, in an account of the emulator (docs/policies.md)."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from deeplens.local.emulator import ROOT
from deeplens.local.processes import CommandFailed

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_FOLDER = ROOT / "policies"
ENVIRONMENT_ACCOUNT = _FOLDER / "environment-account.yaml"
_STACK = "DeepLensPolicies"
_OF_CLOUDFORMATION = "DeepLensDeploy"
_POLL_SECONDS = 0.2


def create_policies(
    client: "CloudFormationClient", template: Path = ENVIRONMENT_ACCOUNT
) -> list[str]:
    """Create or update the policies; return the sorted ARNs of those for CloudFormation's role.

    Raises:
        CommandFailed: the template cannot be deployed.
    """
    body = template.read_text(encoding="utf-8")
    try:
        client.describe_stacks(StackName=_STACK)
    except ClientError:
        client.create_stack(
            StackName=_STACK, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"]
        )
    else:
        _update(client, body)
    status = _ended(client)
    if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise CommandFailed(
            f"the stack {_STACK} of {template} is {status}; `deeplens local down`, a new state and "
            "`deeplens local deploy` create it again"
        )
    resources = client.describe_stack_resources(StackName=_STACK)["StackResources"]
    arns = [resource.get("PhysicalResourceId", "") for resource in resources]
    return sorted(
        arn for arn in arns if arn.partition(":policy/")[2].startswith(_OF_CLOUDFORMATION)
    )


def _update(client: "CloudFormationClient", body: str) -> None:
    try:
        client.update_stack(
            StackName=_STACK, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"]
        )
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise


def _ended(client: "CloudFormationClient") -> str:
    while (status := _status(client)).endswith("_IN_PROGRESS"):
        time.sleep(_POLL_SECONDS)
    return status


def _status(client: "CloudFormationClient") -> str:
    return client.describe_stacks(StackName=_STACK)["Stacks"][0]["StackStatus"]
