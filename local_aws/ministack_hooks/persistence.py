"""The current state of the services, in the format that ministack writes when it stops."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import json

from ministack import app
from ministack.core import persistence
from ministack.services import cloudformation

from local_aws.state.recovery import is_unfinished


def serialized_states() -> dict[str, str]:
    """Return the content of each service's state file, by service name."""
    states = {name: get_state() for name, get_state in app._build_persistence_save_dict().items()}
    return {
        name: json.dumps(
            {
                "__ministack_format__": persistence._state_format_version(name),
                "payload": state,
            },
            default=persistence._json_default,
        )
        for name, state in states.items()
        if state is not None
    }


def are_stacks_idle() -> bool:
    """Return whether no stack operation is in progress."""
    return not any(
        is_unfinished(str(stack.get("StackStatus", "")))
        for stack in list(cloudformation._stacks._data.values())
    )
