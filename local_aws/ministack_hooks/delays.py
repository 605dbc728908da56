"""Delays of operations that, on AWS, take effect after their response.

Sources: botocore's `iot` model, ``DetachThingPrincipal`` and ``DetachPolicy``; IAM user guide,
"Changes that I make are not always immediately visible".
"""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import asyncio
import time
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from ministack import app
from ministack.core.responses import error_response_json
from ministack.services import iam, iot

from local_aws.authorization.caller import current_caller
from local_aws.errors import ServiceError
from local_aws.input_validation.requests import Inputs
from local_aws.ministack_hooks.registration import Handled, current_scope
from local_aws.service_protocol import Call, Request

_ACCEPTED: Handled = (200, {"Content-Type": "application/json"}, b"{}")
_MEMBERSHIP = frozenset({"AddThingToThingGroup", "RemoveThingFromThingGroup"})
# The operations that assume a role, with the member that contains the role's ARN.
_ROLES = {("lambda", "CreateFunction"): "Role", ("sts", "AssumeRole"): "RoleArn"}
_tasks: set[asyncio.Task[None]] = set()


def delay_operations(seconds: float) -> None:
    """Delay the effects of detachments, membership changes, new roles and jobs by ``seconds``."""
    _delay_things(seconds)
    _delay_deletions_of_policies(seconds)
    for service in ("lambda", "sts"):
        _delay_roles(service, seconds)
    _delay_jobs(seconds)


def _delay_things(seconds: float) -> None:
    """Respond to detachments and membership changes immediately; apply them after the delay."""
    handle, inputs = app.SERVICE_HANDLERS["iot"], Inputs("iot")

    async def handle_later(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> Handled:
        async def act() -> None:
            await asyncio.sleep(seconds)
            await handle(method, path, headers, body, query)

        call = inputs.parse(Request(method, path, headers, body, query))
        if call is not None and _can_be_delayed(call):
            _start(act())
            return _ACCEPTED
        handled: Handled = await handle(method, path, headers, body, query)
        return handled

    app.SERVICE_HANDLERS["iot"] = handle_later


def _can_be_delayed(call: Call) -> bool:
    """Return whether a call can be delayed.

    A call that fails cannot be delayed, because the error must be in its response.
    """
    thing = call.params.get("thingName")
    if thing not in iot._things:
        return False
    if call.operation == "DetachThingPrincipal":
        return call.params["principal"].rpartition("/")[2] in iot._certificates
    return call.operation in _MEMBERSHIP and call.params.get("thingGroupName") in iot._thing_groups


def _delay_deletions_of_policies(seconds: float) -> None:
    """Reject the deletion of a policy until the delay after its detachment has passed."""
    change, delete = iot._change_policy_target, iot._delete_policy
    detached: dict[tuple[str, str], float] = {}

    def change_and_record(name: str, target: str | None, *, attach: bool, **named: Any) -> Any:
        if not attach and target in (iot._policies.get(name) or {}).get("targets", []):
            detached[str(current_scope()), name] = time.monotonic()
        return change(name, target, attach=attach, **named)

    def delete_if_detached(name: str) -> Any:
        since = time.monotonic() - detached.get((str(current_scope()), name), -seconds)
        if since < seconds:
            return error_response_json(
                "DeleteConflictException",
                "The policy cannot be deleted as the policy is attached to one or more principals"
                f" (name={name})",
                409,
            )
        return delete(name)

    iot._change_policy_target, iot._delete_policy = change_and_record, delete_if_detached


def _delay_roles(service: str, seconds: float) -> None:
    """Reject calls that assume a role until the delay after the role's creation has passed."""
    handle, inputs = app.SERVICE_HANDLERS[service], Inputs(service)

    async def handle_known(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> Handled:
        request = Request(method, path, headers, body, query)
        call = inputs.parse(request)
        member = None if call is None else _ROLES.get((service, call.operation))
        if call is not None and member is not None and _is_new(call.params.get(member), seconds):
            fault = _unknown_role(service, call.params[member])
            response = inputs.write_error(request, fault)
            return response.status, response.headers, response.body
        handled: Handled = await handle(method, path, headers, body, query)
        return handled

    app.SERVICE_HANDLERS[service] = handle_known


def _unknown_role(service: str, role_arn: str) -> ServiceError:
    """Return the error of a service that cannot assume a new role yet."""
    if service == "lambda":
        return ServiceError(
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda.",
        )
    caller = current_caller()
    return ServiceError(
        "AccessDenied",
        f"User: {caller.arn if caller else 'anonymous'} is not authorized to perform:"
        f" sts:AssumeRole on resource: {role_arn}",
    )


def _is_new(role_arn: Any, seconds: float) -> bool:
    role = iam._roles.get(str(role_arn).rpartition("/")[2])
    if role is None:
        return False
    created = datetime.fromisoformat(role["CreateDate"])
    return time.time() - created.timestamp() < seconds


def _delay_jobs(seconds: float) -> None:
    """Create the executions of a job after the delay, and then notify its devices."""
    create, materialize = iot._create_job, iot._jobs_materialize_executions

    async def create_and_release(job_id: str, payload: dict[str, Any]) -> Handled:
        created: Handled = await create(job_id, payload)
        if created[0] == _ACCEPTED[0]:
            _start(_release(job_id, seconds))
        return created

    def materialize_if_due(job_id: str) -> None:
        job = iot._jobs.get(job_id)
        if job is None or iot._jobs_now_ms() - job["createdAt"] >= seconds * 1000:
            materialize(job_id)

    iot._create_job, iot._jobs_materialize_executions = create_and_release, materialize_if_due


async def _release(job_id: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    iot._jobs_materialize_executions(job_id)
    scope = current_scope()
    for thing in [thing for thing, job in iot._job_executions if job == job_id]:
        await iot.jobs_notify_thing(scope.account, scope.region, thing, None)


def _start(coroutine: Coroutine[Any, Any, None]) -> None:
    """Start a task in the context of the current request, and keep a strong reference to it."""
    task = asyncio.create_task(coroutine)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
