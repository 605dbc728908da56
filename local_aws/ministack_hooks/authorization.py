"""ministack's authorization of every request, with corrections where AWS differs.

If ministack is imported with ``AUTH=true``, it evaluates identity policies, permissions boundaries
and session policies. It also evaluates the policies of buckets, keys, topics, queues and functions.
The server sets the variable.
"""

# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import functools
import inspect
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_region
from ministack.services import cloudformation, iam

from local_aws.authorization.caller import current_caller
from local_aws.authorization.checks import Check, denial_message
from local_aws.authorization.trace import Decision, Trace
from local_aws.errors import ServiceError

DENIED = "AccessDeniedException"
_PARSED_POLICIES = 1024
_UNLISTED = "OperationWithoutAction"
_self_authorizing: list[Callable[[str, str], bool]] = []
_ENFORCE = inspect.signature(iam_evaluator.enforce)
# The resource of the last denied check.
_denied_resource: ContextVar[str] = ContextVar("denied_resource", default="*")
# The context and result of each evaluation of the current decision; None without a trace.
_evaluations: ContextVar[list[tuple[Any, Any]] | None] = ContextVar("evaluations", default=None)
# Actions for which a Deny does not apply to the bucket owner's root. Source: Amazon S3 API
# Reference, DeleteBucketPolicy.
_OF_THE_OWNERS_ROOT = {"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"}
_ALLOW_EVERYTHING = iam_evaluator.parse_policy_document(
    {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
)


def authorize_every_caller() -> None:
    """Correct ministack's authorization where AWS differs, and use the verified caller."""
    _use_verified_caller()
    _trust_loopback_as_secure()
    _name_the_role_of_a_session()
    _apply_resource_policies_to_root()
    _deny_unlisted_operations()
    _name_the_resource_of_a_denial()
    _parse_each_policy_once()


def exempt_service(authorizes_itself: Callable[[str, str], bool]) -> None:
    """Exempt requests whose service performs its own authorization.

    Args:
        authorizes_itself: returns true for the service and path of such a request.
    """
    _self_authorizing.append(authorizes_itself)


def authorize_caller(check: Check) -> None:
    """Check that policies allow an action of the current caller (implements ``Authorize``).

    Raises:
        ServiceError: the caller is not authorized, or the request is not signed.
    """
    caller = current_caller()
    if caller is None:
        raise ServiceError(DENIED, f"{check.action} needs a signed request.")
    authorize_key(caller.access_key_id, check)


def authorize_key(access_key_id: str, check: Check) -> None:
    """Check that policies allow an action of an access key's principal, in the current Region.

    Raises:
        ServiceError: the principal is not authorized.
    """
    denial = iam_evaluator.enforce(
        access_key_id,
        check.action,
        check.action.partition(":")[0],
        get_region(),
        check.resource,
        dict(check.context),
    )
    if denial is None:
        return
    if isinstance(denial, iam_evaluator.AuthError):
        raise ServiceError(denial.code, denial.message)
    raise ServiceError(
        DENIED,
        denial_message(
            check.action,
            denial.principal_arn,
            check.resource,
            explicit=denial.decision == "Deny",
            of_resource=bool(denial.resource_policy_arn),
        ),
    )


def denial(
    service: str, error: ServiceError, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    """Return the response to a denied request, in the protocol of a ministack service."""
    response: tuple[int, dict[str, str], bytes] = iam_actions.access_denied_response(
        service, "", "", str(uuid.uuid4()), message=error.message, headers=headers
    )
    return response


def trace_decisions(trace: Trace) -> None:
    """Record each decision about a signed request in the trace."""
    evaluate, enforce = iam_evaluator.evaluate, iam_evaluator.enforce

    def evaluate_and_collect(context: Any, *policies: Any) -> Any:
        result = evaluate(context, *policies)
        collected = _evaluations.get()
        if collected is not None:
            collected.append((context, result))
        return result

    def enforce_and_record(*args: Any, **options: Any) -> Any:
        token = _evaluations.set([])
        try:
            denial = enforce(*args, **options)
            evaluations = _evaluations.get()
        finally:
            _evaluations.reset(token)
        if evaluations:
            trace.record(_decision(evaluations, denial))
        return denial

    iam_evaluator.evaluate, iam_evaluator.enforce = evaluate_and_collect, enforce_and_record


def _decision(evaluations: list[tuple[Any, Any]], denial: Any) -> Decision:
    """Return the decision about one check, from the evaluations of the check."""
    context, _ = evaluations[0]
    outcome = "Allow" if denial is None else denial.decision
    matched = [result.matched_sid for _, result in evaluations if result.decision == outcome]
    principal, names = _principal(context), logical_ids(context.principal_account)
    return Decision(
        principal=principal,
        session=context.principal_arn,
        action=context.action,
        resource=context.resource_arn,
        decision=outcome,
        statement=next(iter(matched), ""),
        context={key: value for key, value in context.service_context.items() if value is not None},
        principal_resource=names.get(principal.rpartition("/")[2], ""),
        resource_names={
            part: names[part] for part in re.split("[:/]", context.resource_arn) if part in names
        },
    )


def _principal(context: Any) -> str:
    """Return the ARN of the principal in policies: the role of a session, or the caller."""
    is_session = context.principal_type == "AssumedRole"
    return _role_arn(context.principal_arn) if is_session else str(context.principal_arn)


def _use_verified_caller() -> None:
    """Use the caller that the filter verified, because ministack has other secrets."""

    def set_verified_key(*_args: object, **_options: object) -> None:
        caller = current_caller()
        iam_evaluator._verified_key.set(caller.access_key_id if caller else "")

    app.pin_signed_request = set_verified_key


def _trust_loopback_as_secure() -> None:
    """Set ``aws:SecureTransport`` to true, although loopback has HTTP without TLS."""

    def pin(source_ip: str, _secure_transport: bool) -> None:  # noqa: FBT001 - the signature of ministack's function
        iam_evaluator.pin_request_origin(source_ip, True)  # noqa: FBT003 - the parameter of ministack's function

    app.pin_request_origin = pin


def _name_the_role_of_a_session() -> None:
    """Set ``aws:PrincipalArn`` of a role's session to the role's ARN.

    Source: IAM User Guide, "AWS global condition context keys". For assumed-role sessions, the key
    contains the ARN of the role. ministack uses the ARN of the session.
    """
    resolve = iam_evaluator._resolve_condition_key

    def resolve_key(key: str, context: Any) -> Any:
        return _principal(context) if key.lower() == "aws:principalarn" else resolve(key, context)

    iam_evaluator._resolve_condition_key = resolve_key


def _apply_resource_policies_to_root() -> None:
    """Evaluate resource policies for an account's root; ministack allows root all actions.

    On AWS, a Deny in the policy of a bucket, key or topic also applies to root. For root of another
    account, the policy must contain an Allow.
    """
    resolve = iam_evaluator.resolve_principal

    def resolve_principal(*args: Any, **options: Any) -> Any:
        principal = resolve(*args, **options)
        if getattr(principal, "policies", ()) is None:
            principal.policies = [_ALLOW_EVERYTHING]
        return principal

    combine = iam_evaluator.combine_resource_policy

    def combine_with_resource_policy(
        identity: Any, context: Any, document: Any, owner: str | None, *args: Any, **options: Any
    ) -> Any:
        is_owner = context.principal_type == "Root" and owner == context.principal_account
        if is_owner and context.action in _OF_THE_OWNERS_ROOT:
            return identity
        result = combine(identity, context, document, owner, *args, **options)
        if identity.decision == "Allow" and result.decision == "ImplicitDeny":
            # The identity's policies allow the action, so the Allow is missing in the resource's
            # policy.
            result.resource_policy_arn = context.resource_arn
        return result

    iam_evaluator.resolve_principal = resolve_principal
    iam_evaluator.combine_resource_policy = combine_with_resource_policy


def _deny_unlisted_operations() -> None:
    """Require a special action for each request without an IAM action in ministack's table.

    ministack serves such requests to every caller. With this action, a caller needs a policy that
    allows all actions of the service.
    """
    extract = iam_actions.extract_iam_action

    def extract_iam_action(service: str, method: str, path: str, *more: Any) -> str | None:
        if any(authorizes_itself(service, path) for authorizes_itself in _self_authorizing):
            return None
        found: str | None = extract(service, method, path, *more)
        namespace = iam_actions.SERVICE_TO_IAM_NAMESPACE.get(service, service)
        return found or f"{namespace}:{_UNLISTED}"

    iam_actions.extract_iam_action = extract_iam_action


def _name_the_resource_of_a_denial() -> None:
    """Add the resource, and the kind of policy that denied the request, to denial messages.

    ministack adds the resource only for a few services, and always the resource of the first check.
    Its messages about a Deny in a resource-based policy do not change.
    """
    respond, enforce = iam_actions.access_denied_response, iam_evaluator.enforce

    def enforce_and_store(*args: Any, **options: Any) -> Any:
        denial = enforce(*args, **options)
        if denial is not None:
            bound = _ENFORCE.bind(*args, **options)
            bound.apply_defaults()
            _denied_resource.set(bound.arguments["resource_arn"])
        return denial

    def access_denied_response(
        service: str,
        action: str,
        principal: str,
        request_id: str,
        *,
        message: str = "",
        **more: Any,
    ) -> Any:
        explicit = more.get("explicit_deny", False)
        of_resource = bool(more.get("resource_policy_arn"))
        if not (message or more.get("error_code") or (explicit and of_resource)):
            resource = _denied_resource.get()
            resource = f'"{resource}"' if resource.startswith("arn:aws:s3:") else resource
            message = denial_message(
                action, principal, resource, explicit=explicit, of_resource=of_resource
            )
        return respond(service, action, principal, request_id, message=message, **more)

    iam_evaluator.enforce = enforce_and_store
    iam_actions.access_denied_response = access_denied_response


def _parse_each_policy_once() -> None:
    """Cache parsed policies; ministack would parse all policies of the caller for each check."""
    parse = iam_evaluator.parse_policy_document
    parse_text = functools.lru_cache(_PARSED_POLICIES)(parse)

    def parse_policy_document(document: Any) -> Any:
        return parse_text(document) if isinstance(document, str) else parse(document)

    iam_evaluator.parse_policy_document = parse_policy_document


def _role_arn(session_arn: str) -> str:
    """Return the ARN of a session's role, including the role's path."""
    _, _, _, _, account, resource = session_arn.split(":", 5)
    name = resource.split("/")[1]
    role = iam._roles.get_scoped(account, None, name) or {}
    return str(role.get("Arn", f"arn:aws:iam::{account}:role/{name}"))


def logical_ids(account: str) -> dict[str, str]:
    """Return `stack/logical id` by physical id, for all stacks of an account."""
    return {
        resource["PhysicalResourceId"]: f"{stack['StackName']}/{logical_id}"
        for (owner, _region, _name), stack in list(cloudformation._stacks._data.items())
        if owner == account
        for logical_id, resource in list(stack.get("_resources", {}).items())
        if resource.get("PhysicalResourceId")
    }
