"""The constraints of a botocore model on an input: required members, types, sizes, patterns, enums.

`service_protocol` checks the constraints for the emulator's own services, and
`ministack_hooks.input_checks` for the services of ministack.
"""

import datetime as dt
import math
from collections.abc import Iterator
from typing import Any

from local_aws.errors import ValidationError
from local_aws.input_validation.patterns import matches

# A shape of botocore. Its shape classes have no common type with all attributes that this module
# reads.
Shape = Any

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "blob": (bytes,),
    "timestamp": (int, float, str, dt.datetime),
}
_NUMBERS = frozenset({"integer", "long", "float", "double"})


def check(shape: Shape, value: Any) -> None:
    """Reject a value that violates its shape.

    Raises:
        ValidationError: the value is not valid; the message has AWS' text for each violation.
    """
    reject(violations(shape, value))


def reject(problems: list[str]) -> None:
    """Raise one error for all violations of an input.

    Raises:
        ValidationError: the list of violations is not empty.
    """
    if problems:
        count = f"{len(problems)} validation error{'s'[: len(problems) != 1]} detected: "
        raise ValidationError(count + "; ".join(problems), reason="FIELD_VALIDATION_FAILED")


def violations(shape: Shape, value: Any, path: str = "") -> list[str]:
    """Return AWS' text for each constraint of ``shape`` that ``value`` violates."""
    return list(_violations(shape, value, path))


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return
    if not _has_type(shape, value):
        yield _sentence(value, path, f"Member must be a {shape.type_name}")
        return
    yield from _of_value(shape, value, path)
    match shape.type_name:
        case "structure":
            yield from _of_members(shape, value, path)
        case "map":
            for key, item in value.items():
                yield from _violations(shape.key, key, _join(path, key))
                yield from _violations(shape.value, item, _join(path, key))
        case "list":
            for position, item in enumerate(value, start=1):
                yield from _violations(shape.member, item, f"{path}.{position}.member")


def _of_members(shape: Shape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield _sentence(None, _join(path, name), "Member must not be null")
    for name, item in value.items():
        # AWS ignores members that are not in the model.
        if name in shape.members:
            yield from _violations(shape.members[name], item, _join(path, name))


def _has_type(shape: Shape, value: Any) -> bool:
    types = _TYPES.get(shape.type_name)
    if types is None:
        return True
    if isinstance(value, bool) and shape.type_name != "boolean":
        return False
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, types)


def _of_value(shape: Shape, value: Any, path: str) -> Iterator[str]:
    rules = shape.metadata
    low, high = rules.get("min"), rules.get("max")
    number = shape.type_name in _NUMBERS
    size = value if number else len(value) if isinstance(value, str | bytes | list | dict) else None
    measure = "value" if number else "length"
    if size is not None and low is not None and size < low:
        rule = f"Member must have {measure} greater than or equal to {low}"
        yield _sentence(value, path, rule)
    if size is not None and high is not None and size > high:
        yield _sentence(value, path, f"Member must have {measure} less than or equal to {high}")
    if not isinstance(value, str):
        return
    allowed = rules.get("enum")
    if allowed and value not in allowed:
        yield _sentence(value, path, f"Member must satisfy enum value set: {sorted(allowed)}")
    pattern = rules.get("pattern")
    if pattern and not matches(pattern, value):
        yield _sentence(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _sentence(value: Any, path: str, rule: str) -> str:
    given = "null" if value is None else _short(value)
    return f"Value {given} at '{path}' failed to satisfy constraint: {rule}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."  # noqa: PLR2004 - the value is part of one line
