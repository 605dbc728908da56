"""Look at a protocol message's bytes before they are parsed.

Two bytes can be an empty message, which takes about 100 bytes of memory once it is parsed: 120 MB
of them took gigabytes. So messages and strings are counted first, without building any.

Source: Protocol Buffers Documentation, "Encoding".
"""

import mmap
from pathlib import Path
from typing import Any

from model_tools.errors import RefusedError, SourceError
from model_tools.regular_files import check_regular

# About 25 for each of the 200,000 nodes that graphs.rules accepts.
MOST_PARTS = 5_000_000
_DEEPEST = 100
_LONGEST_VARINT = 10
# The bit of a byte after which a number goes on.
_CONTINUED = 128
_VARINT, _LENGTH = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}

# Of one kind of message: by field number, the field's name, and the message that it contains.
_Fields = dict[int, tuple[str, Any]]


def scan_file(file: Path, message: Any, most_parts: int = MOST_PARTS) -> frozenset[str]:
    """Return the fields that a file's message has, those of its direct parts as `part.field`.

    Args:
        file: a serialized message.
        message: its class.
        most_parts: messages and strings that it may contain.

    Raises:
        SourceError: it is not such a message.
        RefusedError: it has more parts.
    """
    check_regular(file)
    with file.open("rb") as opened:
        if not file.stat().st_size:
            return frozenset()
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                return _scan(content, len(content), message.DESCRIPTOR, most_parts)
            except _TooMany:
                raise RefusedError(*too_many(file, most_parts)) from None
            except (ValueError, KeyError):
                name = message.DESCRIPTOR.name
                raise SourceError(f"{file} is not a {name}: Error parsing message") from None


def too_many(file: Path, most_parts: int = MOST_PARTS) -> tuple[str, str]:
    """Return the rule that a message with too many parts breaks, and the reason."""
    return (
        "message-parts",
        f"{file.name} has over {most_parts} messages and strings, far more than any model",
    )


class _TooMany(Exception):  # noqa: N818 - ends the walk
    """More parts than allowed."""


def _scan(content: Any, size: int, descriptor: Any, most_parts: int) -> frozenset[str]:
    tables: dict[str, _Fields] = {}
    found: set[tuple[str, str]] = set()
    parts = 0
    at, end, fields, name = 0, size, _fields(descriptor, tables), ""
    # Messages that are not read to their end: where they end, their fields, and their own name.
    outer: list[tuple[int, _Fields, str]] = []
    while at < end or outer:
        if at == end:
            end, fields, name = outer.pop()
            continue
        # Nearly all tags and lengths of small parts have one byte: the fast way, without a call.
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
        if len(outer) < 2 and field and (name, field) not in found:  # noqa: PLR2004 - the message, and its parts
            found.add((name, field))
        if kind == _LENGTH:
            parts += 1
            if parts > most_parts:
                raise _TooMany
        if kind != _LENGTH or inner is None:
            at += length
            continue
        if len(outer) == _DEEPEST:
            raise ValueError("nested too deeply")
        outer.append((end, fields, name))
        end, fields = at + length, _fields(inner, tables)
        name = f"{field}." if len(outer) == 1 else ""
    return frozenset(name + field for name, field in found)


def _value(content: Any, kind: int, at: int, end: int) -> tuple[int, int]:
    """Return where a field's value begins, and its bytes; a number is skipped."""
    if kind == _VARINT:
        return _varint(content, at, end)[1], 0
    if kind == _LENGTH:
        length, at = _varint(content, at, end)
    else:
        # A group, or a type that does not exist, is a KeyError.
        length = _FIXED_BYTES[kind]
    if length > end - at:
        raise ValueError("a part is longer than its message")
    return at, length


def _fields(descriptor: Any, tables: dict[str, _Fields]) -> _Fields:
    known = tables.get(descriptor.full_name)
    if known is None:
        known = {one.number: (one.name, one.message_type) for one in descriptor.fields}
        tables[descriptor.full_name] = known
    return known


def _varint(content: Any, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, min(end, at + _LONGEST_VARINT)):
        byte = content[place]
        value |= (byte & 127) << shift
        if byte < _CONTINUED:
            return value, place + 1
        shift += 7
    raise ValueError("a number is not complete")
