"""Component configuration: defaults, merge, reset, and the variables of recipes.

Source: AWS IoT Greengrass V2 Developer Guide, "Update component configurations" and
"Component recipe reference", recipe variables.
"""

import copy
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_OWN = re.compile(r"\{([\w-]+:[\w-]+)\}")
_OWN_CONFIGURATION = re.compile(r"\{configuration:(/[^{}]*)\}")
_CROSS_COMPONENT = re.compile(r"\{([.\w-]+):([.\w-]+):([^:}]*)\}")


def updated(
    defaults: dict[str, Any], current: dict[str, Any] | None, update: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the configuration after a deployment's `reset`, then `merge`.

    Values on the device take precedence over `defaults`. If a new version changes a default, the
    new default applies only if the deployment resets the value. Missing values are added from
    `defaults`.
    """
    value = _merged(copy.deepcopy(defaults), current or {})
    for pointer in update.get("reset", []):
        if pointer == "":
            value = copy.deepcopy(defaults)
        else:
            _reset(value, defaults, [_unescape(part) for part in pointer.split("/")[1:]])
    merge = update.get("merge") or {}
    result: dict[str, Any] = _merged(value, json.loads(merge) if isinstance(merge, str) else merge)
    return result


def interpolated(text: str, own: str, dependencies: Mapping[str, Mapping[str, Path]]) -> str:
    """Replace the recipe variables `{component:namespace:key}` of direct dependencies in a string.

    Args:
        text: a string with recipe variables.
        own: the name of the component that contains the text, for the log.
        dependencies: by name, the folders `artifacts:path`, `artifacts:decompressedPath` and
            `work:path`.

    Returns:
        The text. A variable that cannot be replaced remains and is logged, as on a real core.
    """

    def value_of(match: re.Match[str]) -> str:
        component, namespace, key = match.groups()
        folders = dependencies.get(component)
        if folders is None or f"{namespace}:{key}" not in folders:
            logger.error("%s: recipe variable %s does not resolve", own, match[0])
            return match[0]
        return str(folders[f"{namespace}:{key}"])

    return _CROSS_COMPONENT.sub(value_of, text)


def with_own_variables(text: str, variables: dict[str, str]) -> str:
    """Replace a component's own variables `{namespace:key}`; unknown variables remain."""
    return _OWN.sub(lambda match: variables.get(match[1], match[0]), text)


def with_configuration(text: str, configuration: Mapping[str, Any]) -> str:
    """Replace each `{configuration:/pointer}` with its value; unknown pointers remain.

    A value that is not a string is inserted as JSON, as on a real core.
    """

    def value_of(match: re.Match[str]) -> str:
        value: Any = configuration
        for part in match[1].split("/")[1:]:
            key = _unescape(part)
            if not isinstance(value, Mapping) or key not in value:
                return match[0]
            value = value[key]
        return value if isinstance(value, str) else json.dumps(value)

    return _OWN_CONFIGURATION.sub(value_of, text)


def _merged(value: Any, update: Any) -> Any:
    if isinstance(value, dict) and isinstance(update, dict):
        result = dict(value)
        for key, item in update.items():
            result[key] = _merged(result.get(key), item)
        return result
    return copy.deepcopy(update)


def _reset(value: dict[str, Any], defaults: dict[str, Any], path: list[str]) -> None:
    """Set the value at `path` to its default; remove a value that has no default."""
    for part in path[:-1]:
        value, defaults = value.get(part, {}), defaults.get(part, {})
    if path[-1] in defaults:
        value[path[-1]] = copy.deepcopy(defaults[path[-1]])
    else:
        value.pop(path[-1], None)


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
