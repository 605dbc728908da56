"""Custom resources: the size of responses, retries of functions, and failed creations."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import json
import uuid
from contextvars import ContextVar
from typing import Any

from ministack import app
from ministack.services import lambda_svc
from ministack.services.cloudformation import custom_resource, handlers, stacks

from local_aws.ministack_hooks.registration import Handled
from local_aws.services.lambda_retries import call_with_retries

# The maximum size of a custom resource's response. Source: CloudFormation user guide, "Custom
# resource response objects".
LARGEST_RESPONSE_BYTES = 4_096
_RESPONSES = "/_ministack/cfn-response/"
_SUFFIX_CHARACTERS = 12
_FAILURES = (RuntimeError, TimeoutError)

_is_invoking: ContextVar[bool] = ContextVar("is_invoking", default=False)
# Maps stack and logical id to the physical id of a resource whose creation failed.
_failed: dict[tuple[str, str], str] = {}


def complete_custom_resources() -> None:
    """Limit responses, retry failed functions, and delete resources whose creation failed."""
    _limit_responses()
    _retry_functions()
    _record_failed_creations()
    _delete_failed_creations()


def _limit_responses() -> None:
    """Fail a resource whose response is too large.

    Only the HTTP request has the size, because ministack's callback receives the parsed response.
    """
    respond = app._handle_post_body_shortcuts

    async def limited(
        method: str, path: str, headers: dict[str, str], body: bytes, *more: Any
    ) -> Handled | None:
        if path.startswith(_RESPONSES) and len(body) > LARGEST_RESPONSE_BYTES:
            body = json.dumps(
                {**_identity(body), "Status": "FAILED", "Reason": "Response object is too long."}
            ).encode()
        handled: Handled | None = await respond(method, path, headers, body, *more)
        return handled

    app._handle_post_body_shortcuts = limited


def _identity(body: bytes) -> dict[str, Any]:
    try:
        response = json.loads(body)
    except ValueError:
        return {}
    members = ("PhysicalResourceId", "StackId", "LogicalResourceId", "RequestId")
    return {name: response[name] for name in members if name in response}


def _retry_functions() -> None:
    """Retry a function that failed without a response, as Lambda does for asynchronous calls."""
    execute = lambda_svc._execute_function_with_config_scope

    def execute_and_retry(record: dict[str, Any], event: Any) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            result: dict[str, Any] = execute(record, event)
            return result

        if not _is_invoking.get():
            return call()
        token = event["ResponseURL"].rpartition("/")[2]
        pending = custom_resource._pending
        return call_with_retries(
            call, is_done=lambda: token not in pending or pending[token]["event"].is_set()
        )

    lambda_svc._execute_function_with_config_scope = execute_and_retry


def _record_failed_creations() -> None:
    invoke, deliver = custom_resource.invoke_custom_resource, custom_resource.deliver_response

    def deliver_and_record(token: str, response: Any) -> bool:
        if isinstance(response, dict) and response.get("Status") == "FAILED":
            key = (response.get("StackId", ""), response.get("LogicalResourceId", ""))
            _failed[key] = response.get("PhysicalResourceId") or _new_id(key[1])
        delivered: bool = deliver(token, response)
        return delivered

    def invoke_and_record(
        request: str, logical_id: str, props: Any, stack: str, stack_id: str, *more: Any,
        **named: Any,
    ) -> Any:  # fmt: skip
        _failed.pop((stack_id, logical_id), None)
        token = _is_invoking.set(True)
        try:
            return invoke(request, logical_id, props, stack, stack_id, *more, **named)
        except _FAILURES:
            if request == "Create":
                _failed.setdefault((stack_id, logical_id), _new_id(logical_id))
            raise
        finally:
            _is_invoking.reset(token)

    custom_resource.invoke_custom_resource = invoke_and_record
    custom_resource.deliver_response = deliver_and_record


def _new_id(logical_id: str) -> str:
    """Return a physical id in the form that CloudFormation generates if a response has none."""
    return f"{logical_id}-{uuid.uuid4().hex[:_SUFFIX_CHARACTERS].upper()}"


def _delete_failed_creations() -> None:
    """Make each rollback delete a custom resource whose creation failed.

    The resource's function may have created resources before it failed. ministack deletes only
    resources whose creation succeeded.
    """
    roll_back = stacks._roll_back_operation

    async def roll_back_all(
        name: str, stack_id: str, stack: dict[str, Any], operation: dict[str, Any], *more: Any
    ) -> None:
        logical_id = operation.get("failed_logical_id")
        physical_id = _failed.pop((stack_id, str(logical_id)), None)
        if physical_id is not None and operation.get("failed_update") is None:
            resource = operation["template"]["Resources"][logical_id]
            props = stacks._resolve_refs(
                json.loads(json.dumps(resource.get("Properties", {}))), stack["_resources"],
                operation["param_values"], stacks._evaluate_conditions(
                    operation["template"], operation["param_values"]
                ), operation["template"].get("Mappings", {}), name, stack_id,
            )  # fmt: skip
            stack["_resources"][logical_id] = {
                "PhysicalResourceId": physical_id,
                "ResourceType": resource["Type"],
                "ResourceStatus": "CREATE_FAILED",
                "LogicalResourceId": logical_id,
                "Properties": props,
                "Attributes": {},
                "Timestamp": stacks.now_iso(),
            }
            operation = {**operation, "created": [*operation["created"], logical_id]}
        await roll_back(name, stack_id, stack, operation, *more)

    stacks._roll_back_operation = handlers._roll_back_operation = roll_back_all
