"""CodePipeline's CloudFormation action: CHANGE_SET_REPLACE and CHANGE_SET_EXECUTE."""

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
    """Make the change set that the action describes, in the place of one of that name."""
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
    answer = _settled(lambda: _described(client, stack, name), "Status")
    if answer["Status"] == "FAILED":
        reason = answer.get("StatusReason", "")
        if not any(text in reason for text in _NO_CHANGES):
            raise PipelineError(f"{stack}: no change set was made: {reason}")
        return "no changes"
    return f"{len(answer.get('Changes', []))} resources change"


def is_deployed(pipeline: Pipeline, action: Action, client: Any) -> bool:
    """Return whether the stack of an action has the template of the assembly already."""
    stack = action.configuration["StackName"]
    if _status(client, stack) not in _GOOD:
        return False
    deployed = client.get_template(StackName=stack)["TemplateBody"]
    if isinstance(deployed, str):
        deployed = json.loads(deployed)
    return bool(deployed == json.loads(pipeline.template(action).read_text(encoding="utf-8")))


def execute(action: Action, client: Any) -> str:
    """Execute the change set, and wait until the stack is what it says.

    Raises:
        PipelineError: the stack failed; the text has the first resource's reason.
    """
    stack, name = action.configuration["StackName"], action.configuration["ChangeSetName"]
    if _described(client, stack, name)["Status"] == "FAILED":
        return "no changes"
    began = time.time()
    client.execute_change_set(StackName=stack, ChangeSetName=name)

    def described() -> dict[str, Any]:
        found: dict[str, Any] = client.describe_stacks(StackName=stack)["Stacks"][0]
        return found

    status = str(_settled(described, "StackStatus")["StackStatus"])
    if status not in _GOOD:
        raise PipelineError(f"{stack}: {status}: {_first_failure(client, stack, began)}")
    return status


def _status(client: Any, stack: str) -> str | None:
    try:
        return str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except ClientError:
        return None


def _described(client: Any, stack: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.describe_change_set(StackName=stack, ChangeSetName=name)
    return found


def _settled(ask: Callable[[], dict[str, Any]], key: str) -> dict[str, Any]:
    """Ask until what is asked is no longer under way."""
    while True:
        answer = ask()
        status = str(answer[key])
        if not status.endswith(("_IN_PROGRESS", "_PENDING")):
            return answer
        time.sleep(_POLL_SECONDS)


def _first_failure(client: Any, stack: str, began: float) -> str:
    events = client.describe_stack_events(StackName=stack)["StackEvents"]
    failures = [
        one
        for one in reversed(events)
        if one["ResourceStatus"].endswith("_FAILED") and one["Timestamp"].timestamp() >= began - 1
    ]
    if not failures:
        return "no event says why"
    first = failures[0]
    return f"{first['LogicalResourceId']}: {first.get('ResourceStatusReason', 'no reason given')}"
