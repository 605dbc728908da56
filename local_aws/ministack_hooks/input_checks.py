"""Validation of ministack's inputs with botocore's models and AWS' rules."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import asyncio
import json
from typing import Any

from ministack import app
from ministack.services import iam, iot
from ministack.services.cloudformation import stacks

from local_aws.authorization.caller import current_caller
from local_aws.authorization.passed_roles import checks_of_passed_roles
from local_aws.errors import ServiceError
from local_aws.input_validation.requests import Inputs
from local_aws.input_validation.rules import RULES
from local_aws.input_validation.rules import iam as iam_rules
from local_aws.input_validation.template_resources import CREATIONS, as_input
from local_aws.ministack_hooks.authorization import DENIED, authorize_caller, denial
from local_aws.ministack_hooks.registration import Handled
from local_aws.service_protocol import Call, Request

# botocore's model for each ministack service. S3 is missing: its model has few constraints, and its
# handlers validate inputs.
_MODELS = {
    "cloudformation": "cloudformation",
    "codebuild": "codebuild",
    "ecr": "ecr",
    "events": "events",
    "iam": "iam",
    "iot": "iot",
    "iot-data": "iot-data",
    "iot-jobs-data": "iot-jobs-data",
    "kms": "kms",
    "lambda": "lambda",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "scheduler": "scheduler",
    "secretsmanager": "secretsmanager",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "states": "stepfunctions",
    "sts": "sts",
}
# Maps each kind of identity to the property of `AWS::IAM::Policy` that lists such identities.
_IDENTITIES = {"role": "Roles", "user": "Users", "group": "Groups"}


class MinistackAccount:
    """The account and Region of the current request (implements ``rules.account.Account``)."""

    def trust_policy(self, role_arn: str) -> dict[str, Any] | None:
        """Return the trust policy of a role, or None if the role does not exist."""
        role = iam._roles.get(role_arn.rpartition("/")[2])
        if role is None or role["Arn"] != role_arn:
            return None
        policy = role["AssumeRolePolicyDocument"]
        document: dict[str, Any] = json.loads(policy) if isinstance(policy, str) else policy
        return document

    def inline_policies(self, kind: str, name: str) -> dict[str, str]:
        """Return the inline policies of a ``role``, ``user`` or ``group``, by policy name."""
        if kind == "role":
            policies = (iam._roles.get(name) or {}).get("InlinePolicies", {})
        elif kind == "user":
            policies = iam._user_inline_policies.get(name) or {}
        else:
            policies = iam._group_inline_policies.get(name) or {}
        return {name: _text(document) for name, document in policies.items()}

    def attached_policies(self, role: str) -> list[str]:
        """Return the ARNs of the managed policies of a role."""
        return list((iam._roles.get(role) or {}).get("AttachedPolicies", []))

    def groups_of_thing(self, thing: str) -> list[str]:
        """Return the names of the thing groups that contain a thing."""
        return list((iot._things.get(thing) or {}).get("thingGroupNames", []))


def check_inputs() -> None:
    """Validate inputs before ministack handles a request or creates a resource."""
    inputs = {model: Inputs(model) for model in _MODELS.values()}
    for service, model in _MODELS.items():
        _check_requests(service, inputs[model])
    _check_resources(inputs)


def _check_requests(service: str, inputs: Inputs) -> None:
    handle = app.SERVICE_HANDLERS[service]

    async def checked(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> Handled:
        request = Request(method, path, headers, body, query)
        try:
            if not inputs.is_loaded:
                await asyncio.to_thread(inputs.load)
            call = inputs.parse(request)
            if call is not None:
                inputs.check(call)
                _authorize_passed_roles(inputs.service, call)
                _apply_rule(inputs.service, call)
        except ServiceError as error:
            if error.code == DENIED:
                return denial(service, error, headers)
            response = inputs.write_error(request, error)
            return response.status, response.headers, response.body
        handled: Handled = await handle(method, path, headers, body, query)
        return handled

    app.SERVICE_HANDLERS[service] = checked


def _check_resources(inputs: dict[str, Inputs]) -> None:
    provision, update = stacks._provision_resource, stacks._update_resource

    def checked_provision(type_: str, logical_id: str, props: dict[str, Any], stack: str) -> Any:
        _check_resource(inputs, type_, props)
        return provision(type_, logical_id, props, stack)

    def checked_update(
        type_: str, physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any
    ) -> Any:
        if old != new:
            _check_resource(inputs, type_, new)
        return update(type_, physical_id, old, new, *more)

    stacks._provision_resource, stacks._update_resource = checked_provision, checked_update


def _check_resource(inputs: dict[str, Inputs], type_: str, props: dict[str, Any]) -> None:
    """Reject a resource that its service would reject.

    Raises:
        ValueError: the resource is not valid; ministack reports the message for a failed creation.
    """
    try:
        _check_identities(type_, props)
        creation = CREATIONS.get(type_)
        if creation is None:
            return
        service = inputs[creation.service]
        shape = service.shape(creation.operation)
        call = Call(creation.operation, {**creation.generated, **as_input(shape, type_, props)})
        service.check(call)
        _apply_rule(creation.service, call)
    except ServiceError as error:
        raise ValueError(
            f'Resource handler returned message: "{error.message}" (Error Code: {error.code})'
        ) from None


def _authorize_passed_roles(service: str, call: Call) -> None:
    """Check iam:PassRole, which ministack does not check.

    Calls of AWS services have no caller, and are not checked.

    Raises:
        ServiceError: the caller is not authorized to pass a role.
    """
    if current_caller() is not None:
        for check in checks_of_passed_roles(service, call):
            authorize_caller(check)


def _apply_rule(service: str, call: Call) -> None:
    rule = RULES.get((service, call.operation))
    if rule is not None:
        rule(MinistackAccount(), call.params)


def _check_identities(type_: str, props: dict[str, Any]) -> None:
    """Validate inline policies in templates, and the number of a role's managed policies."""
    account = MinistackAccount()
    if type_ == "AWS::IAM::Role":
        documents = {
            policy["PolicyName"]: _text(policy["PolicyDocument"])
            for policy in props.get("Policies", [])
        }
        iam_rules.check_inline_policies("role", props.get("RoleName", ""), documents)
        iam_rules.check_number_of_policies(len(set(props.get("ManagedPolicyArns", []))))
    elif type_ == "AWS::IAM::Policy":
        policy = {props["PolicyName"]: _text(props["PolicyDocument"])}
        for kind, member in _IDENTITIES.items():
            for name in props.get(member, []):
                documents = {**account.inline_policies(kind, name), **policy}
                iam_rules.check_inline_policies(kind, name, documents)


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))
