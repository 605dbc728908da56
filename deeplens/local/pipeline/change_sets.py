"""CodePipeline's CloudFormation action in the modes CHANGE_SET_REPLACE and CHANGE_SET_EXECUTE."""

import json
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from deeplens.local.pipeline import PipelineError
from deeplens.local.pipeline.definition import Action, Pipeline

_POLL_SECONDS = 0.5
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed", "no changes")
_GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


def prepare(pipeline: Pipeline, action: Action, client: Any) -> str:
    """Create or replace the change set of an action; return a description of its changes.

    Raises:
        PipelineError: CloudFormation could not create the change set.
    """
    stack, name = action.configuration["StackName"], action.configuration["ChangeSetName"]
    status = _status(client, stack)
    created = status is not None and status != "REVIEW_IN_PROGRESS"
    if created:
        client.delete_change_set(StackName=stack, ChangeSetName=name)
    client.create_change_set(
        StackName=stack,
        ChangeSetName=name,
        ChangeSetType="UPDATE" if created else "CREATE",
        TemplateBody=pipeline.template(action).read_text(encoding="utf-8"),
        Capabilities=action.configuration["Capabilities"].split(","),
        RoleARN=action.configuration["RoleArn"],
    )
    change_set = _wait(lambda: _described(client, stack, name), "Status")
    if change_set["Status"] == "FAILED":
        reason = change_set.get("StatusReason", "")
        if not any(text in reason for text in _NO_CHANGES):
            raise PipelineError(f"{stack}: the change set was not created: {reason}")
        return "no changes"
    return f"{len(change_set.get('Changes', []))} resources change"


def is_deployed(pipeline: Pipeline, action: Action, client: Any) -> bool:
    """Return whether the stack of an action already has the template of the assembly."""
    stack = action.configuration["StackName"]
    if _status(client, stack) not in _GOOD:
        return False
    deployed = client.get_template(StackName=stack)["TemplateBody"]
    if isinstance(deployed, str):
        deployed = json.loads(deployed)
    return bool(deployed == json.loads(pipeline.template(action).read_text(encoding="utf-8")))


def execute(action: Action, client: Any) -> str:
    """Execute the change set, and wait for the stack; return its status, or `no changes`.

    Raises:
        PipelineError: the stack failed; the message contains the first failure's reason.
    """
    stack, name = action.configuration["StackName"], action.configuration["ChangeSetName"]
    if _described(client, stack, name)["Status"] == "FAILED":
        return "no changes"
    began = time.time()
    client.execute_change_set(StackName=stack, ChangeSetName=name)

    def described() -> dict[str, Any]:
        description: dict[str, Any] = client.describe_stacks(StackName=stack)["Stacks"][0]
        return description

    status = str(_wait(described, "StackStatus")["StackStatus"])
    if status not in _GOOD:
        raise PipelineError(f"{stack}: {status}: {_first_failure(client, stack, began)}")
    return status


def _status(client: Any, stack: str) -> str | None:
    try:
        return str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except ClientError:
        return None


def _described(client: Any, stack: str, name: str) -> dict[str, Any]:
    description: dict[str, Any] = client.describe_change_set(StackName=stack, ChangeSetName=name)
    return description


def _wait(describe: Callable[[], dict[str, Any]], key: str) -> dict[str, Any]:
    """Poll a description until its operation has ended; return the last description."""
    while True:
        description = describe()
        status = str(description[key])
        if not status.endswith(("_IN_PROGRESS", "_PENDING")):
            return description
        time.sleep(_POLL_SECONDS)


def _first_failure(client: Any, stack: str, began: float) -> str:
    events = client.describe_stack_events(StackName=stack)["StackEvents"]
    failures = [
        event
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED")
        and event["Timestamp"].timestamp() >= began - 1
    ]
    if not failures:
        return "no event contains a reason"
    first = failures[0]
    return f"{first['LogicalResourceId']}: {first.get('ResourceStatusReason', 'no reason')}"
