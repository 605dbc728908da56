"""One operation of the Greengrass IPC with the standard library: PublishToIoTCore.

AWS' device SDK is one of the packages that are not installed yet.

Sources: aws-c-event-stream (framing, message types) and awsiot.eventstreamrpc (headers).
"""

import base64
import json
import os
import socket
import struct
import zlib
from collections.abc import Mapping
from typing import Any

_SOCKET = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"
_TOKEN = "SVCUID"  # noqa: S105 - a variable's name
_OPERATION = "aws.greengrass#PublishToIoTCore"
_AT_LEAST_ONCE = "1"
_TIMEOUT_SECONDS = 5.0

_PRELUDE_BYTES = 12
_CHECKSUM_BYTES = 4
# Responses are small, because they contain no message payloads.
_LARGEST_RESPONSE_BYTES = 1 << 20
_BOOLEANS = {0: True, 1: False}
_FIXED_BYTES = {2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_INT32, _BYTES, _STRING = 4, 6, 7

_APPLICATION_MESSAGE = 0
_CONNECT, _CONNECT_ACK = 4, 5
_CONNECTION_ACCEPTED = 1

Headers = Mapping[str, int | str]


class IpcError(Exception):
    """Raised if the publication of a message fails; the error message has one line."""


def publish_to_iot_core(topic: str, payload: bytes) -> None:
    """Publish one message through the Greengrass core, at least once (QoS 1).

    Raises:
        IpcError: a variable that Greengrass sets is missing, or the core is not available, does not
            respond within five seconds, or rejects the message.
    """
    for name in (_SOCKET, _TOKEN):
        if name not in os.environ:
            raise IpcError(f"the environment variable {name} is not set; Greengrass sets it")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_SECONDS)
            connection.connect(os.environ[_SOCKET])
            _open(connection, os.environ[_TOKEN])
            _publish(connection, topic, payload)
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise IpcError(f"Greengrass' IPC: {type(error).__name__}: {error}") from None


def _open(connection: socket.socket, token: str) -> None:
    connection.sendall(_message(_CONNECT, 0, {":version": "0.1.0"}, {"authToken": token}))
    headers, _ = _receive(connection)
    is_accepted = int(headers.get(":message-flags", 0)) & _CONNECTION_ACCEPTED
    if headers.get(":message-type") != _CONNECT_ACK or not is_accepted:
        raise IpcError("Greengrass' IPC does not accept the token of this component")


def _publish(connection: socket.socket, topic: str, payload: bytes) -> None:
    request = {
        "topicName": topic,
        "qos": _AT_LEAST_ONCE,
        "payload": base64.b64encode(payload).decode(),
    }
    named = {
        ":content-type": "application/json",
        "operation": _OPERATION,
        "service-model-type": f"{_OPERATION}Request",
    }
    connection.sendall(_message(_APPLICATION_MESSAGE, 1, named, request))
    headers, body = _receive(connection)
    if headers.get(":message-type") != _APPLICATION_MESSAGE:
        kind = headers.get("service-model-type", "an error")
        raise IpcError(f"{topic}: Greengrass responds with {kind}: {body[:200]!r}")


def _message(kind: int, stream: int, more: Headers, body: Mapping[str, Any]) -> bytes:
    """Frame one message: prelude, headers, payload, and a checksum after prelude and payload."""
    headers: dict[str, int | str] = {
        ":message-type": kind,
        ":message-flags": 0,
        ":stream-id": stream,
        **more,
    }
    block = b"".join(_header(name, value) for name, value in headers.items())
    payload = json.dumps(body).encode()
    total = _PRELUDE_BYTES + len(block) + len(payload) + _CHECKSUM_BYTES
    prelude = _with_checksum(struct.pack("!II", total, len(block)))
    return _with_checksum(prelude + block + payload)


def _header(name: str, value: int | str) -> bytes:
    encoded = name.encode()
    start = struct.pack("!B", len(encoded)) + encoded
    if isinstance(value, int):
        return start + struct.pack("!Bi", _INT32, value)
    text = value.encode()
    return start + struct.pack("!BH", _STRING, len(text)) + text


def _with_checksum(content: bytes) -> bytes:
    return content + struct.pack("!I", zlib.crc32(content))


def _receive(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    prelude = _exactly(connection, _PRELUDE_BYTES)
    total, header_bytes, checksum = struct.unpack("!III", prelude)
    rest_bytes = total - _PRELUDE_BYTES
    is_possible = header_bytes + _CHECKSUM_BYTES <= rest_bytes <= _LARGEST_RESPONSE_BYTES
    if checksum != zlib.crc32(prelude[:8]) or not is_possible:
        raise ValueError("the response is not an event-stream message")
    rest = _exactly(connection, rest_bytes)
    if (
        _with_checksum(prelude + rest[:-_CHECKSUM_BYTES])[-_CHECKSUM_BYTES:]
        != rest[-_CHECKSUM_BYTES:]
    ):
        raise ValueError("the response has a wrong checksum")
    return _headers(rest[:header_bytes]), rest[header_bytes:-_CHECKSUM_BYTES]


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise ConnectionError("the connection was closed")
        received += part
    return bytes(received)


def _headers(block: bytes) -> dict[str, Any]:
    """Return the headers of a block by name."""
    headers: dict[str, Any] = {}
    at = 0
    while at < len(block):
        name_ends = at + 1 + block[at]
        name = block[at + 1 : name_ends].decode()
        kind = block[name_ends : name_ends + 1]
        value, at = _value(block, kind[0] if kind else -1, name_ends + 1)
        headers[name] = value
    return headers


def _value(block: bytes, kind: int, at: int) -> tuple[Any, int]:
    if kind in _BOOLEANS:
        return _BOOLEANS[kind], at
    if kind in {_BYTES, _STRING}:
        (length,) = struct.unpack_from("!H", block, at)
        content = block[at + 2 : at + 2 + length]
        return content.decode() if kind == _STRING else content, at + 2 + length
    content = block[at : at + _FIXED_BYTES[kind]]
    return int.from_bytes(content, signed=True), at + len(content)
