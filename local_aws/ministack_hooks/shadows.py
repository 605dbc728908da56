"""The limits of device shadows, which ministack lacks, over HTTP and MQTT."""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

import copy
from typing import Any

from ministack.services import iot, iot_data

from local_aws.input_validation.rules.shadows import TOO_LARGE, request_fault, state_fault

_Result = tuple[int, dict[str, Any]]


def limit_shadows() -> None:
    """Reject updates that are too deep, or after which a shadow is too large."""
    update = iot.update_thing_shadow

    def limited(thing: str, shadow: str, request: Any) -> _Result:
        fault = None
        if isinstance(request, dict):
            fault = request_fault(request) or state_fault(_after(thing, shadow, request))
        if fault is not None:
            return iot._shadow_error(*fault)  # type: ignore[no-any-return]  # as declared there
        result: _Result = update(thing, shadow, request)
        return result

    iot.update_thing_shadow = limited
    _name_the_error_of_a_large_shadow()


def _after(thing: str, shadow: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the state after an update."""
    record = iot._shadows.get((thing, shadow)) or {}
    state: dict[str, Any] = {} if record.get("deleted") else copy.deepcopy(record.get("state", {}))
    given = request.get("state")
    for section, patch in (given if isinstance(given, dict) else {}).items():
        if isinstance(patch, dict):
            iot._deep_merge(state.setdefault(section, {}), patch)
        elif patch is None:
            state[section] = {}
    return state


def _name_the_error_of_a_large_shadow() -> None:
    """Give status 413 its error code in the data plane, which has one code for all others."""
    respond = iot_data.error_response_json

    def respond_by_status(
        code: str, message: str, status: int = 400, *more: Any, **named: Any
    ) -> Any:
        code = "RequestEntityTooLargeException" if status == TOO_LARGE else code
        return respond(code, message, status, *more, **named)

    iot_data.error_response_json = respond_by_status
