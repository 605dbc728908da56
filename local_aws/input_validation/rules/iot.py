"""AWS IoT's rules for policies, groups, topic rules, and jobs with their rollout rates.

Source for rollout rates: botocore's `iot` model, ``ExponentialRolloutRate``. The factor has one
decimal and is at least 1.1. The limit of the base rate by the maximum rate is an assumption, which
AWS does not document.
"""

from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import botocore.session

from local_aws.errors import ServiceError
from local_aws.input_validation.rules.account import Account, statements

# The maximum number of thing groups of a thing. Source: AWS IoT Core endpoints and quotas, "Maximum
# number of thing groups a thing can belong to".
MOST_GROUPS_OF_A_THING = 10
# Policy actions without an API operation. Source: IoT developer guide, "Policy actions", and
# Greengrass developer guide, "Device authentication and authorization".
_ACTIONS_OF_MESSAGES = {
    "iot": {"AssumeRoleWithCertificate", "Connect", "Receive", "RetainPublish", "Subscribe"},
    "greengrass": {
        "Discover", "GetDeploymentConfiguration", "ListThingGroupsForCoreDevice",
        "PutCertificateAuthorities", "VerifyClientDeviceIdentity",
        "VerifyClientDeviceIoTCertificateAssociation",
    },
}  # fmt: skip
_SMALLEST_FACTOR = 1.1
_PRECISION = 1e-9
_MODELS = {
    "iot": ("iot", "iot-data", "iot-jobs-data", "iotsecuretunneling"),
    "greengrass": ("greengrass", "greengrassv2"),
}


def check_policy(_account: Account, params: dict[str, Any]) -> None:
    """Reject a policy without valid statements, or with an action that does not exist.

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
    """Reject a membership if the thing would be in too many thing groups.

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
    """Reject a topic rule with a role that does not exist.

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
    """Reject a job whose rollout rate IoT does not support.

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
    """Return the actions of a service that IoT policies can contain, in lower case."""
    session = botocore.session.Session()
    operations = {
        operation
        for model in _MODELS.get(service, ())
        for operation in session.get_service_model(model).operation_names
    }
    return frozenset(name.lower() for name in operations | _ACTIONS_OF_MESSAGES.get(service, set()))


def _statements(document: str) -> list[dict[str, Any]]:
    try:
        listed = statements(document)
    except ValueError as error:
        raise _malformed(str(error)) from None
    if not listed:
        raise _malformed("a statement needs Effect, Action and Resource")
    return listed


def _malformed(reason: str) -> ServiceError:
    return ServiceError("MalformedPolicyException", f"Policy document is malformed: {reason}.")


def _name(params: dict[str, Any], member: str) -> str:
    """Return the name of a thing or group, from a request that contains its name or ARN."""
    return str(params.get(f"{member}Name") or params.get(f"{member}Arn", "").rpartition("/")[2])


def rollout_fault(configuration: dict[str, Any]) -> str | None:
    """Return the error in a ``jobExecutionsRolloutConfig`` of IoT or Greengrass; None if valid."""
    rate = configuration.get("exponentialRate") or {}
    factor, base = rate.get("incrementFactor"), rate.get("baseRatePerMinute")
    maximum = configuration.get("maximumPerMinute")
    if factor is not None and factor < _SMALLEST_FACTOR:
        return f"incrementFactor must be at least {_SMALLEST_FACTOR}; got {factor}."
    if factor is not None and abs(factor * 10 - round(factor * 10)) > _PRECISION:
        return f"incrementFactor supports one digit after the decimal, such as 1.5; got {factor}."
    if base is not None and maximum is not None and base > maximum:
        return f"baseRatePerMinute {base} is greater than maximumPerMinute {maximum}."
    return None
