"""IoT's rules for policies, groups, rules and jobs."""

from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import botocore.session

from local_aws.errors import ServiceError
from local_aws.input_validation.rules.account import Account
from local_aws.input_validation.rules.documents import statements
from local_aws.input_validation.rules.rollouts import rollout_fault

# Source: AWS IoT Core endpoints and quotas, "Maximum number of thing groups a thing can belong to".
MOST_GROUPS_OF_A_THING = 10
# Actions without an operation. Source: IoT developer guide, "Policy actions", and Greengrass
# developer guide, "Device authentication and authorization".
_ACTIONS_OF_MESSAGES = {
    "iot": {"AssumeRoleWithCertificate", "Connect", "Receive", "RetainPublish", "Subscribe"},
    "greengrass": {
        "Discover", "GetDeploymentConfiguration", "ListThingGroupsForCoreDevice",
        "PutCertificateAuthorities", "VerifyClientDeviceIdentity",
        "VerifyClientDeviceIoTCertificateAssociation",
    },
}  # fmt: skip
_MODELS = {
    "iot": ("iot", "iot-data", "iot-jobs-data", "iotsecuretunneling"),
    "greengrass": ("greengrass", "greengrassv2"),
}


def check_policy(_account: Account, params: dict[str, Any]) -> None:
    """Reject a policy that is not JSON of statements, or with an action that does not exist.

    Raises:
        ServiceError: ``MalformedPolicyException``.
    """
    for statement in _statements(params["policyDocument"]):
        actions = statement.get("Action")
        for action in [actions] if isinstance(actions, str) else actions or []:
            if not isinstance(action, str) or not _exists(action):
                raise _malformed(f"Action {action!r} is not a valid action")
        if not actions or "Resource" not in statement:
            raise _malformed("a statement needs Effect, Action and Resource")


def check_membership(account: Account, params: dict[str, Any]) -> None:
    """Reject one group more than a thing can be in.

    Raises:
        ServiceError: ``InvalidRequestException``.
    """
    thing, group = _name(params, "thing"), _name(params, "thingGroup")
    groups = account.groups_of_thing(thing)
    if group not in groups and len(groups) >= MOST_GROUPS_OF_A_THING:
        raise ServiceError(
            "InvalidRequestException",
            f"Thing {thing} is in {len(groups)} thing groups, and cannot be in more than"
            f" {MOST_GROUPS_OF_A_THING}.",
        )


def check_topic_rule(account: Account, params: dict[str, Any]) -> None:
    """Reject a rule with a role that does not exist.

    Raises:
        ServiceError: ``InvalidRequestException``.
    """
    payload = params["topicRulePayload"]
    actions = [*payload.get("actions", []), payload.get("errorAction") or {}]
    for action in actions:
        for settings in action.values():
            role = settings.get("roleArn")
            if role is not None and account.trust_policy(role) is None:
                raise ServiceError("InvalidRequestException", f"Unable to assume role: {role}")


def check_job(_account: Account, params: dict[str, Any]) -> None:
    """Reject a rollout rate that IoT cannot follow.

    Raises:
        ServiceError: ``InvalidRequestException``.
    """
    fault = rollout_fault(params.get("jobExecutionsRolloutConfig", {}))
    if fault is not None:
        raise ServiceError("InvalidRequestException", fault)


def _exists(action: str) -> bool:
    service, colon, name = action.partition(":")
    if action == "*":
        return True
    # Service prefixes and actions are case-insensitive; `*` and `?` are wildcards.
    actions = _actions(service.lower()) if colon else frozenset[str]()
    pattern = name.lower().replace("[", "[[]")
    return any(fnmatchcase(known, pattern) for known in actions)


@cache
def _actions(service: str) -> frozenset[str]:
    """Return the actions of a service that can be in IoT policies, in lower case."""
    session = botocore.session.Session()
    operations = {
        operation
        for model in _MODELS.get(service, ())
        for operation in session.get_service_model(model).operation_names
    }
    return frozenset(name.lower() for name in operations | _ACTIONS_OF_MESSAGES.get(service, set()))


def _statements(document: str) -> list[dict[str, Any]]:
    try:
        found = statements(document)
    except ValueError as error:
        raise _malformed(str(error)) from None
    if not found:
        raise _malformed("a statement needs Effect, Action and Resource")
    return found


def _malformed(reason: str) -> ServiceError:
    return ServiceError("MalformedPolicyException", f"Policy document is malformed: {reason}.")


def _name(params: dict[str, Any], member: str) -> str:
    """Return the name of a thing or group, which a request gives as name or ARN."""
    return str(params.get(f"{member}Name") or params.get(f"{member}Arn", "").rpartition("/")[2])
