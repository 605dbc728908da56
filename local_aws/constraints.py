"""What a botocore model says about an input: required members, types, lengths, patterns, enums."""

import re
from collections.abc import Iterator
from typing import Any

# botocore's shape classes have no common type with every attribute that is read here.
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
}
_NUMBERS = frozenset({"integer", "long", "float", "double"})


def violations(shape: Shape, value: Any, path: str = "") -> list[str]:
    """Say, in AWS's words, everything about ``value`` that breaks ``shape``."""
    return list(_violations(shape, value, path))


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if not _has_type(shape, value):
        yield _sentence(value, path, f"Member must be a {shape.type_name}")
        return
    yield from _own(shape, value, path)
    match shape.type_name:
        case "structure":
            for name in shape.required_members:
                if name not in value:
                    yield _sentence(None, _join(path, name), "Member must not be null")
            for name, item in value.items():
                yield from _violations(shape.members[name], item, _join(path, name))
        case "map":
            for key, item in value.items():
                yield from _violations(shape.key, key, _join(path, key))
                yield from _violations(shape.value, item, _join(path, key))
        case "list":
            for position, item in enumerate(value, start=1):
                yield from _violations(shape.member, item, f"{path}.{position}.member")


def _has_type(shape: Shape, value: Any) -> bool:
    types = _TYPES.get(shape.type_name)
    if types is None:
        return True
    if isinstance(value, bool) and shape.type_name in _NUMBERS:
        return False
    return isinstance(value, types)


def _own(shape: Shape, value: Any, path: str) -> Iterator[str]:
    rules = shape.metadata
    low, high = rules.get("min"), rules.get("max")
    number = shape.type_name in _NUMBERS
    size = value if number else len(value) if isinstance(value, str | bytes | list | dict) else None
    what = "value" if number else "length"
    if size is not None and low is not None and size < low:
        rule = f"Member must have {what} greater than or equal to {low}"
        yield _sentence(value, path, rule)
    if size is not None and high is not None and size > high:
        yield _sentence(value, path, f"Member must have {what} less than or equal to {high}")
    if not isinstance(value, str):
        return
    allowed = rules.get("enum")
    if allowed and value not in allowed:
        yield _sentence(value, path, f"Member must satisfy enum value set: {sorted(allowed)}")
    pattern = rules.get("pattern")
    if pattern and not _matches(pattern, value):
        yield _sentence(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _matches(pattern: str, value: str) -> bool:
    """Whether text matches; Unicode classes, which Python's `re` lacks, match what is printable."""
    if r"\p{" in pattern:
        return value.isprintable() or not value
    return re.fullmatch(pattern, value) is not None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _sentence(value: Any, path: str, rule: str) -> str:
    given = "null" if value is None else _short(value)
    return f"Value {given} at '{path}' failed to satisfy constraint: {rule}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."  # noqa: PLR2004 - one line of a message
