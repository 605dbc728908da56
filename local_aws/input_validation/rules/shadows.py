"""The Device Shadow service's limits.

Sources: IoT developer guide, "Device Shadow error messages" and "Diagnosing problems with shadows":
8 KB of desired and reported state, without metadata; aws-greengrass-shadow-manager, which accepts
six levels below ``desired`` or ``reported`` and rejects seven.
"""

import json
from typing import Any

LARGEST_STATE_BYTES = 8_192
DEEPEST_STATE = 6
LONGEST_CLIENT_TOKEN_BYTES = 64
BAD_REQUEST, TOO_LARGE = 400, 413
_SECTIONS = ("desired", "reported")


def request_fault(request: dict[str, Any]) -> tuple[int, str] | None:
    """Return the HTTP status and message for an update that every shadow rejects, or None."""
    token = request.get("clientToken")
    if token is not None and (
        not isinstance(token, str) or len(token.encode()) > LONGEST_CLIENT_TOKEN_BYTES
    ):
        return BAD_REQUEST, "Invalid clientToken"
    state = request.get("state")
    for section in _SECTIONS:
        value = state.get(section) if isinstance(state, dict) else None
        if value is not None and not isinstance(value, dict):
            return BAD_REQUEST, f"{section.title()} node must be an object"
        if _depth(value) > DEEPEST_STATE:
            return (
                BAD_REQUEST,
                f"JSON contains too many levels of nesting; maximum is {DEEPEST_STATE}",
            )
    return None


def state_fault(state: dict[str, Any]) -> tuple[int, str] | None:
    """Return the HTTP status and message if the state of a shadow is too large, otherwise None."""
    sections = {name: state[name] for name in _SECTIONS if state.get(name)}
    size = len(json.dumps(sections, separators=(",", ":"), ensure_ascii=False).encode())
    if size > LARGEST_STATE_BYTES:
        return TOO_LARGE, "The payload exceeds the maximum size allowed"
    return None


def _depth(value: Any) -> int:
    """Return the number of nested levels of objects and lists, including the outermost."""
    deepest, level = 0, [value]
    while level := [node for node in level if isinstance(node, dict | list)]:
        deepest += 1
        level = [
            inner for node in level for inner in (node.values() if isinstance(node, dict) else node)
        ]
    return deepest
