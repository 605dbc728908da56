"""Types of message fields: JSON Schema, and a reader that accepts any document.

A missing or invalid value is replaced by the field's default. Messages of other releases or of
defective devices must not cause errors in the reader.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import cache, partial
from typing import Any, TypeVar

from shared.printable import printable

_LONGEST_TEXT = 1000
_LARGEST_NUMBER = 2.0**53

Message = TypeVar("Message")


@dataclass(frozen=True)
class WireType:
    """The type of a field.

    Attributes:
        name: name of the type in the tables of docs/messages.md.
        schema: JSON Schema of values that a camera sends.
        read: function that converts a JSON value to Python, and an invalid value to None.
        part: the dataclass, if values are objects; otherwise None.
    """

    name: str
    schema: Mapping[str, Any]
    read: Callable[[Any], Any]
    part: type | None = None


def _text(value: Any) -> str | None:
    """Return a string truncated to `_LONGEST_TEXT` and escaped; None for other values."""
    return printable(value, longest=_LONGEST_TEXT) if isinstance(value, str) else None


def _number(value: Any, least: float = 0.0) -> float | None:
    """Return a number from `least` to below 2^53 as a float; None for other values."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and least <= value < _LARGEST_NUMBER else None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _list(value: Any, read: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(item for item in map(read, value) if item is not None)


TEXT = WireType("string", {"type": "string", "minLength": 1}, _text)
DIGEST = WireType("string", {"type": "string", "pattern": "^[0-9a-f]{64}$"}, _text)
TIME = WireType(
    "string",
    {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
    _text,
)
BOOLEAN = WireType("boolean", {"type": "boolean"}, _boolean)
COUNT = WireType("integer", {"type": "integer", "minimum": 0}, _integer)
POSITIVE_COUNT = WireType("integer", {"type": "integer", "minimum": 1}, _integer)
AMOUNT = WireType("number", {"type": "number", "minimum": 0}, _number)
POSITIVE_AMOUNT = WireType("number", {"type": "number", "exclusiveMinimum": 0}, _number)
SHARE = WireType("number", {"type": "number", "minimum": 0, "maximum": 1}, _number)
SIGNED_NUMBER = WireType("number", {"type": "number"}, partial(_number, least=-_LARGEST_NUMBER))
NULL = WireType("null", {"type": "null"}, lambda _: None)


def one_of(*values: str) -> WireType:
    """Return the type of a string with a fixed set of values; readers accept other strings, too."""
    return WireType("string", {"enum": list(values)}, _text)


def list_of(item: WireType, **schema: Any) -> WireType:
    """Return the type of a list of `item`."""
    return WireType(
        "array",
        {"type": "array", **schema, "items": item.schema},
        partial(_list, read=item.read),
    )


def part(dataclass_: type) -> WireType:
    """Return the type of an object whose fields are those of a dataclass."""
    return WireType(
        "object",
        object_schema({entry.name: type_of(entry) for entry in fields(dataclass_)}),
        lambda value: read(dataclass_, value) if isinstance(value, Mapping) else None,
        dataclass_,
    )


def nullable(type_: WireType) -> WireType:
    """Return the type of a value that can also be null."""
    schema = {"anyOf": [type_.schema, {"type": "null"}]}
    return WireType(f"{type_.name} or null", schema, type_.read, type_.part)


def constant(type_: WireType, value: Any) -> WireType:
    """Return the type of a field that always has the same value."""
    return WireType(type_.name, {"const": value}, type_.read)


def wire(type_: WireType, meaning: str, default: Any = None) -> Any:
    """Return the field of a dataclass, with its type and its meaning for the documentation."""
    return field(default=default, metadata={"type": type_, "meaning": meaning})


def type_of(entry: "Field[Any]") -> WireType:
    """Return the type of a field that `wire` created."""
    type_: WireType = entry.metadata["type"]
    return type_


def object_schema(types: Mapping[str, WireType]) -> dict[str, Any]:
    """Return the JSON Schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": {name: type_.schema for name, type_ in types.items()},
        "required": list(types),
        "additionalProperties": False,
    }


def read(dataclass_: Callable[..., Message], document: Any) -> Message:
    """Convert a document to a message; unknown fields are ignored, invalid ones get defaults."""
    if not isinstance(document, Mapping):
        return dataclass_()
    values = {
        name: value
        for name, reader in _readers(dataclass_)
        if name in document and (value := reader(document[name])) is not None
    }
    return dataclass_(**values)


@cache
def _readers(dataclass_: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple((entry.name, type_of(entry).read) for entry in fields(dataclass_))


def written(value: Any) -> Any:
    """Convert a value for JSON: dataclasses to objects, and tuples to lists."""
    if is_dataclass(value):
        return {entry.name: written(getattr(value, entry.name)) for entry in fields(value)}
    return [written(item) for item in value] if isinstance(value, tuple | list) else value
