"""Registration of services and resource types with ministack, and the scope of a request."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ministack import app
from ministack.core import lambda_runtime, router
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services.cloudformation import provisioners

from local_aws.account_region import Scope
from local_aws.authorization.checks import Authorize
from local_aws.errors import ServiceError
from local_aws.ministack_hooks.authorization import authorize_caller, exempt_service
from local_aws.service_api import ServiceApi
from local_aws.service_protocol import Request, Response
from local_aws.services.role_aliases import PATH as ROLE_ALIASES_PATH
from local_aws.services.role_aliases import RoleAliases

asgi_app = app.app

Handled = tuple[int, dict[str, str], bytes]


class Stateful(Protocol):
    """A service with a state that the emulator saves and restores."""

    def to_json(self) -> dict[str, Any]:
        """Return the state as a JSON object."""

    def load_json(self, data: dict[str, Any]) -> None:
        """Replace the state with a result of ``to_json``."""

    def clear(self) -> None:
        """Remove all state."""


Respond = Callable[[Scope, Request, Authorize], Awaitable[Response]]


class _Module:
    """A service with the interface of a ministack module."""

    def __init__(self, state: Stateful, respond: Respond) -> None:
        self._state = state
        self._respond = respond

    async def handle_request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, list[str]],
    ) -> Handled:
        request = Request(method, path, headers, body, query_params)
        response = await self._respond(current_scope(), request, authorize_caller)
        return response.status, response.headers, response.body

    def get_state(self) -> dict[str, Any]:
        return self._state.to_json()

    def load_persisted_state(self, data: dict[str, Any]) -> None:
        self._state.load_json(data)

    def reset(self) -> None:
        self._state.clear()


def current_scope() -> Scope:
    """Return the account and Region of the current request."""
    return Scope(get_account_id(), get_region())


def within(scope: Scope) -> contextlib.AbstractContextManager[None]:
    """Return a context manager that sets the account and Region outside of a request."""
    manager: contextlib.AbstractContextManager[None] = request_scope(scope.account, scope.region)
    return manager


def register_service(name: str, state: Stateful, respond: Respond) -> None:
    """Serve a service under its SigV4 name, and save its state together with the other services.

    The service itself authorizes its callers.
    """
    exempt_service(lambda service, _path: service == name)
    module = _Module(state, respond)
    app._loaded_modules[name] = module
    app.SERVICE_REGISTRY[name] = {"module": name}
    app.SERVICE_HANDLERS[name] = module.handle_request
    app._state_map[name] = name
    # For a name without patterns, the router loads all models of botocore, which takes seconds.
    router.SERVICE_PATTERNS.setdefault(name, {})


def register_api(name: str, state: Stateful, api: ServiceApi) -> None:
    """Serve a service that has synchronous operations; see `register_service`."""

    async def respond(scope: Scope, request: Request, authorize: Authorize) -> Response:
        return api.respond(scope, request, authorize)

    register_service(name, state, respond)


def register_role_aliases(aliases: RoleAliases) -> None:
    """Add role aliases to the API of IoT, and ``AWS::IoT::RoleAlias`` to CloudFormation."""
    register_api("iot_role_aliases", aliases, aliases.api)
    iot_handler = app.SERVICE_HANDLERS["iot"]
    module = app._loaded_modules["iot_role_aliases"]

    def is_for_aliases(service: str, path: str) -> bool:
        return service == "iot" and path.startswith(ROLE_ALIASES_PATH)

    exempt_service(is_for_aliases)

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Handled:
        selected = module.handle_request if path.startswith(ROLE_ALIASES_PATH) else iot_handler
        handled: Handled = await selected(method, path, headers, body, query)
        return handled

    app.SERVICE_HANDLERS["iot"] = handle
    provisioners._RESOURCE_HANDLERS["AWS::IoT::RoleAlias"] = _role_alias_provisioner(aliases)


def _role_alias_provisioner(aliases: RoleAliases) -> dict[str, Any]:
    def role_alias_params(logical_id: str, props: dict[str, Any], stack: str) -> dict[str, Any]:
        params = {
            "roleAlias": props.get("RoleAlias") or provisioners._physical_name(stack, logical_id),
            "roleArn": props["RoleArn"],
        }
        if "CredentialDurationSeconds" in props:
            params["credentialDurationSeconds"] = int(props["CredentialDurationSeconds"])
        return params

    def create(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        try:
            created = aliases.api.call(
                current_scope(), "CreateRoleAlias", role_alias_params(logical_id, props, stack)
            )
        except ServiceError as error:
            raise ValueError(error.message) from error
        return created["roleAlias"], {"RoleAliasArn": created["roleAliasArn"]}

    def update(
        physical_id: str, _old: dict[str, Any], props: dict[str, Any], stack: str, logical_id: str
    ) -> tuple[str, dict[str, Any]]:
        params = role_alias_params(logical_id, props, stack)
        if params["roleAlias"] != physical_id:
            return create(logical_id, props, stack)
        try:
            created = aliases.api.call(current_scope(), "UpdateRoleAlias", params)
        except ServiceError as error:
            raise ValueError(error.message) from error
        return physical_id, {"RoleAliasArn": created["roleAliasArn"]}

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        with contextlib.suppress(ServiceError):
            aliases.delete(current_scope(), {"roleAlias": physical_id})

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def stop_lambda_workers() -> None:
    """Stop the processes that run Lambda functions."""
    lambda_runtime.reset()
