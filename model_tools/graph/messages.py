"""Protocol messages of TensorFlow: their classes without TensorFlow, and checked reading.

`import tensorflow` takes seconds and half a gigabyte. The generated message classes need neither,
so untrusted files are checked before TensorFlow reads them.

Two bytes can encode an empty message, which uses about 100 bytes of memory after parsing: 120 MB of
empty messages used gigabytes. Therefore, messages and strings are counted before parsing.

Source: Protocol Buffers Documentation, "Encoding".
"""

import importlib
import importlib.util
import mmap
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from model_tools.errors import RefusedError, SourceError
from model_tools.regular_files import check_regular

# The maximum number of messages and strings in a file: about 25 for each of the 200,000 nodes that
# graph.rules allows.
MOST_PARTS = 5_000_000
LARGEST_GRAPH_BYTES = (1 << 31) - 1
LARGEST_TEXT_BYTES = 64 << 20

_MODULES = {
    "Example": "example.example_pb2",
    "GraphDef": "framework.graph_pb2",
    "NodeDef": "framework.node_def_pb2",
    "AttrValue": "framework.attr_value_pb2",
    "OpList": "framework.op_def_pb2",
    "MetaGraphDef": "protobuf.meta_graph_pb2",
    "SavedModel": "protobuf.saved_model_pb2",
}
_DEEPEST = 100
_LONGEST_VARINT = 10
# The bit of a byte that is set if the number continues in the next byte.
_CONTINUED = 128
_VARINT, _LENGTH = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}

# For one message type: the name of each field and the type of its message, by field number.
_Fields = dict[int, tuple[str, Any]]


@cache
def message_class(name: str) -> Any:
    """Return the class of a message, such as `GraphDef`, from the installed TensorFlow."""
    module = f"tensorflow.core.{_MODULES[name]}"
    if "tensorflow" in sys.modules:
        return getattr(importlib.import_module(module), name)
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("tensorflow is not installed")
    # This temporary module prevents the import of TensorFlow's __init__.
    placeholder = types.ModuleType("tensorflow")
    placeholder.__path__ = list(spec.submodule_search_locations)
    sys.modules["tensorflow"] = placeholder
    try:
        return getattr(importlib.import_module(module), name)
    finally:
        for loaded in [key for key in sys.modules if key.split(".")[0] == "tensorflow"]:
            del sys.modules[loaded]


def read_message(file: Path, name: str) -> Any:
    """Read a protocol message; a .pbtxt file is in text format.

    Raises:
        SourceError: the file is not such a message, or is 2 GiB or larger.
        RefusedError: the message has more parts than any model, or its text is too large.
    """
    size = file.stat().st_size
    if size > LARGEST_GRAPH_BYTES:
        raise SourceError(f"{file} has {size} bytes; a protocol message has at most 2 GiB")
    message = message_class(name)()
    try:
        if file.suffix == ".pbtxt":
            text_format.Parse(_text(file), message)
        else:
            scan_file(file, message_class(name))
            message.ParseFromString(file.read_bytes())
    except (DecodeError, text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{file} is not a {name}: {str(error)[:200]}") from None
    return message


def _text(file: Path) -> str:
    """Return the content of a text file; raise RefusedError if it is too large.

    The limits apply to the bytes, and to the messages, which are counted by their braces.
    """
    if file.stat().st_size > LARGEST_TEXT_BYTES:
        raise RefusedError(
            "message-parts",
            f"{file.name} is above the limit of {LARGEST_TEXT_BYTES} bytes for messages in text "
            "form; give it in binary form (.pb)",
        )
    text = file.read_text(encoding="utf-8")
    if sum(map(text.count, "{<:")) > MOST_PARTS:
        raise RefusedError(*_too_many_parts(file, MOST_PARTS))
    return text


def scan_file(file: Path, message: Any, most_parts: int = MOST_PARTS) -> frozenset[str]:
    """Return the names of the fields that a serialized message contains.

    The names of fields in direct parts of the message are `part.field`.

    Args:
        file: a serialized message.
        message: the class of the message.
        most_parts: the maximum number of messages and strings in the file.

    Raises:
        SourceError: the file is not such a message.
        RefusedError: the message has more parts than the maximum.
    """
    check_regular(file)
    with file.open("rb") as opened:
        if not file.stat().st_size:
            return frozenset()
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                return _scan(content, len(content), message.DESCRIPTOR, most_parts)
            except _TooManyPartsError:
                raise RefusedError(*_too_many_parts(file, most_parts)) from None
            except (ValueError, KeyError):
                name = message.DESCRIPTOR.name
                raise SourceError(f"{file} is not a {name}: Error parsing message") from None


def _too_many_parts(file: Path, most_parts: int) -> tuple[str, str]:
    return (
        "message-parts",
        f"{file.name} has over {most_parts} messages and strings, far more than any model",
    )


class _TooManyPartsError(Exception):
    """Raised if a message has more parts than the maximum."""


def _scan(content: Any, size: int, descriptor: Any, most_parts: int) -> frozenset[str]:
    tables: dict[str, _Fields] = {}
    present: set[tuple[str, str]] = set()
    parts = 0
    at, end, fields, name = 0, size, _fields(descriptor, tables), ""
    # Enclosing messages: the end, the fields and the name of each.
    outer: list[tuple[int, _Fields, str]] = []
    while at < end or outer:
        if at == end:
            end, fields, name = outer.pop()
            continue
        # Nearly all tags and lengths have one byte, and inline code is faster than a call.
        tag = content[at]
        at += 1
        if tag >= _CONTINUED:
            tag, at = _varint(content, at - 1, end)
        kind = tag & 7
        if kind == _LENGTH and at < end and content[at] < _CONTINUED and content[at] < end - at:
            length = content[at]
            at += 1
        else:
            at, length = _value(content, kind, at, end)
        field, inner = fields.get(tag >> 3, ("", None))
        if len(outer) < 2 and field and (name, field) not in present:  # noqa: PLR2004 - the message and its parts
            present.add((name, field))
        if kind == _LENGTH:
            parts += 1
            if parts > most_parts:
                raise _TooManyPartsError
        if kind != _LENGTH or inner is None:
            at += length
            continue
        if len(outer) == _DEEPEST:
            raise ValueError("nested too deeply")
        outer.append((end, fields, name))
        end, fields = at + length, _fields(inner, tables)
        name = f"{field}." if len(outer) == 1 else ""
    return frozenset(name + field for name, field in present)


def _value(content: Any, kind: int, at: int, end: int) -> tuple[int, int]:
    """Return the start and length of a field's value.

    For a varint, which is already read, the result is the position after it and the length 0.
    """
    if kind == _VARINT:
        return _varint(content, at, end)[1], 0
    if kind == _LENGTH:
        length, at = _varint(content, at, end)
    else:
        # A group or an unknown type raises KeyError.
        length = _FIXED_BYTES[kind]
    if length > end - at:
        raise ValueError("a part is longer than its message")
    return at, length


def _fields(descriptor: Any, tables: dict[str, _Fields]) -> _Fields:
    fields = tables.get(descriptor.full_name)
    if fields is None:
        fields = {field.number: (field.name, field.message_type) for field in descriptor.fields}
        tables[descriptor.full_name] = fields
    return fields


def _varint(content: Any, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    for position in range(at, min(end, at + _LONGEST_VARINT)):
        byte = content[position]
        value |= (byte & 127) << shift
        if byte < _CONTINUED:
            return value, position + 1
        shift += 7
    raise ValueError("a number is not complete")
