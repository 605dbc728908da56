"""Authorization of CloudFormation with the permissions of the stack's role, or of its caller.

ministack's provisioners run in this process without authorization. These hooks require the actions
in the permissions table for each step of a resource. A denied step fails with AWS' message.
Resource-based policies are not evaluated.
"""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import iam
from ministack.services.cloudformation import handlers, helpers, provisioners, stacks

from local_aws.authorization.caller import current_caller
from local_aws.authorization.cloudformation.demands import Change, Demand, Role
from local_aws.authorization.cloudformation.resources import Resource
from local_aws.authorization.cloudformation.table import Step

_ROLE, _CALLER = "RoleARN", "_caller"
_SESSION = "AWSCloudFormation"
_PARTS_OF_AN_ARN = 6
_NOT_ASSUMED = "Role {} is invalid or cannot be assumed"
# Operations that provision resources, or prepare their provisioning. If an operation specifies no
# role, the last role of the stack applies.
_OPERATIONS = (
    "ContinueUpdateRollback",
    "CreateChangeSet",
    "CreateStack",
    "DeleteStack",
    "ExecuteChangeSet",
    "RollbackStack",
    "UpdateStack",
)
_Handler = Callable[[dict[str, Any]], Any]


def authorize_each_step() -> None:
    """Authorize each step of a resource's life cycle with the permissions table."""
    for operation in _OPERATIONS:
        handle = handlers._ACTION_HANDLERS[operation]
        handlers._ACTION_HANDLERS[operation] = _record_principal(handle)
    create, update = stacks._provision_resource, stacks._update_resource
    delete = stacks._delete_resource

    def create_authorized(type_: str, logical_id: str, props: dict[str, Any], stack: str) -> Any:
        _authorize("create", _resource(stack, type_, logical_id, props))
        return create(type_, logical_id, props, stack)

    def update_authorized(  # noqa: PLR0913, PLR0917 - the signature of ministack's function
        type_: str,
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> Any:
        name = logical_id or physical_id
        if old != new:
            if provisioners._replacing_change(type_, old, new):
                _authorize("create", _resource(stack, type_, name, new))
            else:
                _authorize("update", _resource(stack, type_, name, new, physical_id), old)
        return update(type_, physical_id, old, new, stack, logical_id, attributes)

    def delete_authorized(
        type_: str,
        physical_id: str,
        props: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
    ) -> None:
        _authorize("delete", _resource(stack, type_, logical_id or "", props, physical_id))
        delete(type_, physical_id, props, stack, logical_id)

    stacks._provision_resource = create_authorized
    stacks._update_resource = update_authorized
    stacks._delete_resource = delete_authorized


@dataclass(frozen=True)
class _Principal:
    """The role of a stack, or of the caller of CloudFormation, with the ARN of its session."""

    account: str
    role: str
    session: str

    def decide(self, demand: Demand, region: str) -> Any:
        """Return the decision on a demand by the role's policies and permissions boundary."""
        context = iam_evaluator.EvalContext(
            principal_arn=self.session,
            principal_type="AssumedRole",
            principal_account=self.account,
            action=demand.action,
            resource_arn=demand.resource,
            region=region,
            secure_transport=True,
            service_context={key.lower(): value for key, value in demand.context.items()},
            principal_keys={"aws:principalarn": self.role},
        )
        name = self.role.rpartition("/")[2]
        policies = iam_evaluator._gather_role_policies(name, self.account)
        limits = iam_evaluator._permissions_boundary(iam._roles, name, self.account)
        return iam_evaluator.evaluate(context, policies, *limits)


def _record_principal(handle: _Handler) -> _Handler:
    """Return a handler that also stores the role and the caller of an operation in the stack.

    The handler rejects a role that does not exist.
    """

    def handle_and_record(params: dict[str, Any]) -> Any:
        role = _text(params, _ROLE)
        if role and _role(role) is None:
            return helpers._error("ValidationError", _NOT_ASSUMED.format(role))
        response = handle(params)
        stack = handlers._resolve_stack(_text(params, "StackName")) or _of_change_set(params)
        if stack is not None:
            if role:
                stack[_ROLE] = role
            caller = current_caller()
            stack[_CALLER] = caller.arn if caller else ""
        return response

    return handle_and_record


def _of_change_set(params: dict[str, Any]) -> Any:
    """Return the stack of a change set that the request identifies only by ARN."""
    from ministack.services.cloudformation import _change_sets  # noqa: PLC0415 - initialized after this module

    change_set = _change_sets.get(_text(params, "ChangeSetName")) or {}
    return handlers._resolve_stack(change_set.get("StackName", ""))


def _role(arn: str) -> Any:
    """Return the record of a role; None if the role does not exist or `arn` is not an ARN."""
    parts = arn.split(":")
    is_arn = len(parts) == _PARTS_OF_AN_ARN
    return iam._roles.get_scoped(parts[4], None, arn.rpartition("/")[2]) if is_arn else None


def _text(params: dict[str, Any], key: str) -> str:
    value = params.get(key, "")
    return str(value[0] if isinstance(value, list) and value else value or "")


def _principal(stack: dict[str, Any]) -> _Principal | None:
    """Return the stack's role or the caller's role; None for an account's root or no caller.

    Raises:
        ValueError: the role does not exist.
    """
    arn = stack.get(_ROLE) or stack.get(_CALLER) or ""
    if not arn or arn.endswith(":root"):
        return None
    account, name = arn.split(":")[4], arn.split("/")[1 if ":sts:" in arn else -1]
    record = iam._roles.get_scoped(account, None, name)
    if record is None:
        raise ValueError(_NOT_ASSUMED.format(arn))
    session = f"arn:aws:sts::{account}:assumed-role/{name}/{_SESSION}"
    return _Principal(account, record["Arn"], arn if ":sts:" in arn else session)


def _resource(
    stack: str, type_: str, logical_id: str, props: dict[str, Any], physical_id: str | None = None
) -> Resource:
    _, _, _, region, account, _ = _stack(stack)["StackId"].split(":", 5)
    return Resource(type_, logical_id, stack, account, region, props, physical_id)


def _stack(name: str) -> dict[str, Any]:
    stack: dict[str, Any] = handlers._resolve_stack(name)
    return stack


def _authorize(step: Step, resource: Resource, before: dict[str, Any] | None = None) -> None:
    """Check all permissions that a step requires.

    Raises:
        ValueError: a permission, the role, or the type's row in the permissions table is missing.
            For a permission, the message is the same as in CloudFormation's event.
    """
    principal = _principal(_stack(resource.stack))
    if principal is None:
        return
    change = Change(step, resource, before or {}, _role_named(resource.account))
    try:
        demands = change.demands()
    except KeyError:
        raise ValueError(
            f"{resource.type}: the permissions table has no row for this type, so no role can "
            f"{step} it; add a row to local_aws/authorization/cloudformation/assumptions.json"
        ) from None
    for demand in demands:
        decision = principal.decide(demand, resource.region)
        if decision.decision != "Allow":
            message = iam_actions.identity_denial_message(
                demand.action, principal.session, demand.resource, decision.decision == "Deny"
            )
            service = resource.type.split("::")[1]
            raise ValueError(
                f'Resource handler returned message: "{message} (Service: {service}, '
                'Status Code: 403)" (HandlerErrorCode: AccessDenied)'
            )


def _role_named(account: str) -> Callable[[str], Role | None]:
    def find(name: str) -> Role | None:
        record = iam._roles.get_scoped(account, None, name)
        return None if record is None else Role(record["Arn"], record.get("PermissionsBoundary"))

    return find
