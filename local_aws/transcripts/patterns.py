"""Patterns of JSON values, with placeholders for values that vary.

``"${job}"`` matches any value, which must be the same at each occurrence. ``"${time:integer}"``
matches a value of a type. ``"${_:integer}"`` matches values that can differ at each occurrence. In
a longer string, a placeholder matches a part of the string: ``"$aws/things/${thing}/jobs"``. An
object must have at least the members of its pattern. A list and its pattern must have the same
number of items, in any order.
"""

import re
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

Bindings = Mapping[str, Any]

ANY = "_"
_PLACEHOLDER = re.compile(r"\$\{(?P<name>[a-z_][a-z0-9_]*)(?::(?P<type>[a-z]+))?\}")
_TYPES: dict[str, tuple[type, ...]] = {
    "any": (object,),
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "list": (list,),
}


class PatternError(ValueError):
    """Raised if a placeholder has a type that does not exist."""


def check(pattern: Any) -> None:
    """Check the placeholders of a pattern.

    Raises:
        PatternError: the type of a placeholder does not exist.
    """
    if isinstance(pattern, str):
        for placeholder in _PLACEHOLDER.finditer(pattern):
            _types(placeholder)
    for item in _items(pattern):
        check(item)


def match(pattern: Any, value: Any, bindings: Bindings) -> dict[str, Any] | None:
    """Return the bindings with which a pattern matches a value; None if it does not match."""
    return next(_matches(pattern, value, dict(bindings)), None)


def fill(pattern: Any, bindings: dict[str, Any]) -> Any:
    """Return a value that matches a pattern, and bind its unbound placeholders.

    A number becomes the time in milliseconds. A string, or a value of any type, becomes a random
    string. A boolean becomes false, and an object or list becomes empty.
    """
    if isinstance(pattern, str):
        placeholder = _PLACEHOLDER.fullmatch(pattern)
        if placeholder is not None:
            return _value(placeholder, bindings)
        return _PLACEHOLDER.sub(lambda match_: str(_value(match_, bindings)), pattern)
    if isinstance(pattern, dict):
        return {fill(name, bindings): fill(item, bindings) for name, item in pattern.items()}
    if isinstance(pattern, list):
        return [fill(item, bindings) for item in pattern]
    return pattern


def _matches(pattern: Any, value: Any, bindings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(pattern, str):
        yield from _text_matches(pattern, value, bindings)
    elif isinstance(pattern, dict):
        if isinstance(value, dict):
            yield from _object_matches(list(pattern.items()), value, bindings)
    elif isinstance(pattern, list):
        if isinstance(value, list) and len(value) == len(pattern):
            yield from _list_matches(pattern, value, bindings)
    elif type(pattern) is type(value) and pattern == value:
        yield bindings


def _object_matches(
    members: list[tuple[str, Any]], value: dict[str, Any], bindings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if not members:
        yield bindings
        return
    (name, pattern), *others = members
    for key, item in value.items():
        for with_key in _matches(name, key, bindings):
            for with_item in _matches(pattern, item, with_key):
                yield from _object_matches(others, value, with_item)


def _list_matches(
    patterns: list[Any], values: list[Any], bindings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if not patterns:
        yield bindings
        return
    first, *others = patterns
    for index, value in enumerate(values):
        for extended in _matches(first, value, bindings):
            yield from _list_matches(others, values[:index] + values[index + 1 :], extended)


def _text_matches(pattern: str, value: Any, bindings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    placeholder = _PLACEHOLDER.fullmatch(pattern)
    if placeholder is not None:
        if _has_type(value, _types(placeholder)):
            yield from _bound(placeholder["name"], value, bindings)
        return
    if not isinstance(value, str):
        return
    expression, names = _expression(pattern, bindings)
    groups = re.fullmatch(expression, value, re.DOTALL)
    if groups is not None:
        yield {**bindings, **{name: groups[name] for name in names}}


def _expression(pattern: str, bindings: Bindings) -> tuple[str, set[str]]:
    """Return the regular expression of a string pattern, and the names of its groups."""
    parts: list[str] = []
    names: set[str] = set()
    end = 0
    for placeholder in _PLACEHOLDER.finditer(pattern):
        parts.append(re.escape(pattern[end : placeholder.start()]))
        end = placeholder.end()
        name = placeholder["name"]
        digits = int in _types(placeholder)
        part = "[0-9]+" if digits and placeholder["type"] != "any" else "[^/]+"
        if name == ANY:
            parts.append(part)
        elif name in bindings:
            parts.append(re.escape(str(bindings[name])))
        elif name in names:
            parts.append(f"(?P={name})")
        else:
            parts.append(f"(?P<{name}>{part})")
            names.add(name)
    return "".join([*parts, re.escape(pattern[end:])]), names


def _bound(name: str, value: Any, bindings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if name == ANY:
        yield bindings
    elif name not in bindings:
        yield {**bindings, name: value}
    elif str(bindings[name]) == str(value):
        yield bindings


def _value(placeholder: re.Match[str], bindings: dict[str, Any]) -> Any:
    name, first = placeholder["name"], _types(placeholder)[0]
    if name in bindings:
        return bindings[name]
    generated: Any = str(uuid.uuid4())
    if first is int:
        generated = int(time.time() * 1000)
    elif first not in {str, object}:
        generated = first()
    if name != ANY:
        bindings[name] = generated
    return generated


def _has_type(value: Any, types: tuple[type, ...]) -> bool:
    # In Python, a boolean is an int; in JSON, it is not a number.
    if isinstance(value, bool):
        return bool in types or object in types
    return isinstance(value, types)


def _types(placeholder: re.Match[str]) -> tuple[type, ...]:
    name = placeholder["type"] or "any"
    if name not in _TYPES:
        raise PatternError(
            f"{placeholder[0]} has a type that does not exist: expected one of {', '.join(_TYPES)}."
        )
    return _TYPES[name]


def _items(pattern: Any) -> Iterator[Any]:
    if isinstance(pattern, dict):
        yield from pattern.keys()
        yield from pattern.values()
    elif isinstance(pattern, list):
        yield from pattern
