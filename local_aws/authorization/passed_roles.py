"""The roles that calls to ministack's services pass to an AWS service; each requires iam:PassRole.

Sources: the Service Authorization Reference lists iam:PassRole as a dependent action of
lambda:CreateFunction and of the operations of Step Functions and EventBridge Scheduler. The guides
of the other services describe it ("AWS CloudFormation service role", "Passing role permissions" of
AWS IoT rules, "Using identity-based policies" of EventBridge and CodeBuild).
"""

from collections.abc import Iterator
from typing import Any

from local_aws.authorization.checks import Check
from local_aws.service_protocol import Call

# Maps botocore's service names to the principal that uses the role, and to the operations that pass
# it.
_PASSING = {
    "cloudformation": (
        "cloudformation.amazonaws.com",
        {
            "ContinueUpdateRollback",
            "CreateChangeSet",
            "CreateStack",
            "DeleteStack",
            "RollbackStack",
            "UpdateStack",
        },
    ),
    "codebuild": ("codebuild.amazonaws.com", {"CreateProject", "UpdateProject"}),
    "events": ("events.amazonaws.com", {"PutRule", "PutTargets"}),
    "iot": ("iot.amazonaws.com", {"CreateTopicRule", "ReplaceTopicRule"}),
    "lambda": ("lambda.amazonaws.com", {"CreateFunction", "UpdateFunctionConfiguration"}),
    "scheduler": ("scheduler.amazonaws.com", {"CreateSchedule", "UpdateSchedule"}),
    "stepfunctions": ("states.amazonaws.com", {"CreateStateMachine", "UpdateStateMachine"}),
}
_MEMBERS = {"role", "rolearn", "servicerole"}


def checks_of_passed_roles(service: str, call: Call) -> Iterator[Check]:
    """Yield one check for each role that a call passes to a service."""
    principal, operations = _PASSING.get(service, ("", set()))
    if call.operation in operations:
        for arn in dict.fromkeys(_roles(call.params)):
            yield Check("iam:PassRole", arn, {"iam:PassedToService": principal})


def _roles(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            if name.lower() in _MEMBERS and isinstance(member, str):
                if member:
                    yield member
            else:
                yield from _roles(member)
    elif isinstance(value, list):
        for member in value:
            yield from _roles(member)
