"""Inputs of the query protocol: forms whose field names are paths in the operation's input.

Source: Smithy, "AWS query protocol", which IAM, STS, CloudFormation, CloudWatch and SNS use.
"""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from local_aws.input_validation.constraints import Shape

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def read_form(body: bytes, query: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the form fields of a request, from its query string and its body."""
    fields = {name: values[0] for name, values in query.items() if values}
    text = body.decode(errors="replace")
    fields.update(parse_qsl(text, keep_blank_values=True))
    return fields


def read_input(shape: Shape, form: Mapping[str, str]) -> dict[str, Any]:
    """Return the input that a form contains, by member name of the structure ``shape``.

    A value that cannot be converted to the type of its shape remains a string.
    """
    value: dict[str, Any] = _structure(shape, form, "")
    return value


def _value(shape: Shape, form: Mapping[str, str], path: str) -> Any:
    match shape.type_name:
        case "structure":
            return _structure(shape, form, f"{path}.") if _is_given(form, path) else None
        case "list":
            return _list(shape, form, path)
        case "map":
            return _map(shape, form, path)
        case _:
            return None if path not in form else _scalar(shape.type_name, form[path])


def _structure(shape: Shape, form: Mapping[str, str], prefix: str) -> dict[str, Any]:
    members = {}
    for name, member in shape.members.items():
        value = _value(member, form, prefix + _wire_name(member, name))
        if value is not None:
            members[name] = value
    return members


def _list(shape: Shape, form: Mapping[str, str], path: str) -> list[Any] | None:
    if form.get(path) == "":
        return []
    inner = path
    if not shape.serialization.get("flattened"):
        inner = f"{path}.{shape.member.serialization.get('name', 'member')}"
    values: list[Any] = []
    while (value := _value(shape.member, form, f"{inner}.{len(values) + 1}")) is not None:
        values.append(value)
    return values or None


def _map(shape: Shape, form: Mapping[str, str], path: str) -> dict[str, Any] | None:
    inner = path if shape.serialization.get("flattened") else f"{path}.entry"
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    entries: dict[str, Any] = {}
    position = 1
    while (key := form.get(f"{inner}.{position}.{key_name}")) is not None:
        entries[key] = _value(shape.value, form, f"{inner}.{position}.{value_name}")
        position += 1
    return entries or None


def _wire_name(member: Shape, name: str) -> str:
    """Return the name of a member in a form; a flattened list has the name of its list member."""
    if member.type_name == "list" and member.serialization.get("flattened"):
        return str(member.member.serialization.get("name", member.serialization.get("name", name)))
    return str(member.serialization.get("name", name))


def _is_given(form: Mapping[str, str], path: str) -> bool:
    return path in form or any(name.startswith(f"{path}.") for name in form)


def _scalar(type_name: str, text: str) -> Any:
    """Convert a field to the type of its shape; return the string if the conversion fails."""
    convert = _CONVERSIONS.get(type_name)
    try:
        return text if convert is None else convert(text)
    except (ValueError, KeyError):
        return text


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _integer(text: str) -> int:
    # `int` would also accept `1_000` and digits of other scripts.
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _blob(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_CONVERSIONS: dict[str, Callable[[str], Any]] = {
    "blob": _blob,
    "boolean": _boolean,
    "double": _number,
    "float": _number,
    "integer": _integer,
    "long": _integer,
}
