"""The limits of device shadows over HTTP and MQTT, which ministack lacks."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import copy
from typing import Any

from ministack.services import iot, iot_data

from local_aws.input_validation.rules.shadows import TOO_LARGE, request_fault, state_fault

_Result = tuple[int, dict[str, Any]]


def limit_shadows() -> None:
    """Reject the shadow updates that `rules.shadows` does not allow."""
    update = iot.update_thing_shadow

    def limited(thing: str, shadow: str, request: Any) -> _Result:
        fault = None
        if isinstance(request, dict):
            fault = request_fault(request) or state_fault(_updated_state(thing, shadow, request))
        if fault is not None:
            return iot._shadow_error(*fault)  # type: ignore[no-any-return]  # as declared there
        result: _Result = update(thing, shadow, request)
        return result

    iot.update_thing_shadow = limited
    _set_code_of_large_shadows()


def _updated_state(thing: str, shadow: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a shadow after an update."""
    record = iot._shadows.get((thing, shadow)) or {}
    state: dict[str, Any] = {} if record.get("deleted") else copy.deepcopy(record.get("state", {}))
    patches = request.get("state")
    for section, patch in (patches if isinstance(patches, dict) else {}).items():
        if isinstance(patch, dict):
            iot._deep_merge(state.setdefault(section, {}), patch)
        elif patch is None:
            state[section] = {}
    return state


def _set_code_of_large_shadows() -> None:
    """Set the error code for status 413 in the data plane; other errors share one code."""
    respond = iot_data.error_response_json

    def respond_by_status(
        code: str, message: str, status: int = 400, *more: Any, **named: Any
    ) -> Any:
        code = "RequestEntityTooLargeException" if status == TOO_LARGE else code
        return respond(code, message, status, *more, **named)

    iot_data.error_response_json = respond_by_status
