"""The Greengrass IPC: AWS event-stream RPC on a Unix socket, for awsiot.greengrasscoreipc.

Source: awslabs/aws-c-event-stream (framing, RPC message types) and awsiot.eventstreamrpc.
"""

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.eventstream import EventStreamBuffer

from local_aws import json_text

_PRELUDE_BYTES = 12
_LARGEST_MESSAGE_BYTES = 16 << 20
_TYPE_STRING, _TYPE_INT32 = 7, 4

_APPLICATION_MESSAGE, _APPLICATION_ERROR = 0, 1
_PING, _PING_RESPONSE = 2, 3
_CONNECT, _CONNECT_ACK = 4, 5
_CONNECTION_ACCEPTED, _TERMINATE_STREAM = 1, 2

_PUBLISH = "aws.greengrass#PublishToIoTCore"
_SUBSCRIBE = "aws.greengrass#SubscribeToIoTCore"
_IOT_CORE_MESSAGE = "aws.greengrass#IoTCoreMessage"

Publish = Callable[[str, str, bytes, int], Awaitable[None]]
Deliver = Callable[[str, bytes], Awaitable[None]]
Cancel = Callable[[], None]
Subscribe = Callable[[str, str, int, Deliver], Awaitable[Cancel]]


class Unauthorized(Exception):  # noqa: N818 - UnauthorizedError is the name in the protocol
    """Raised if the component's access control does not allow an operation."""


def encode(headers: dict[str, str | int], payload: bytes) -> bytes:
    """Return an event-stream message as bytes."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    total = _PRELUDE_BYTES + len(block) + len(payload) + 4
    prelude = struct.pack("!II", total, len(block))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    message = prelude + block + payload
    return message + struct.pack("!I", zlib.crc32(message))


class IpcServer:
    """An IPC server on one socket; each component authenticates with its token."""

    def __init__(self, publish: Publish, subscribe: Subscribe) -> None:
        """Set the functions for the two operations; both functions may raise `Unauthorized`.

        Args:
            publish: called as `publish(component, topic, payload, qos)`.
            subscribe: called as `subscribe(component, topic, qos, deliver)`; returns a function
                that cancels the subscription.
        """
        self._publish = publish
        self._subscribe = subscribe
        self._components: dict[str, str] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def start(self, socket: Path) -> None:
        """Listen on a Unix socket."""
        self._server = await asyncio.start_unix_server(self._connected, str(socket))

    async def stop(self) -> None:
        """Stop listening, and close all connections."""
        self._is_stopping = True
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def admit(self, token: str, component: str) -> None:
        """Accept connections that a component opens with its token."""
        self._components[token] = component

    def is_admitted(self, token: str) -> bool:
        """Return whether the token belongs to a component."""
        return token in self._components

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_stopping:
            # A connection can be accepted while the server stops.
            writer.close()
            return
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        # If a task is cancelled before its first step, its `finally` block does not run.
        connection.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        component: str | None = None
        # Maps a stream's id to the function that cancels the stream's subscription.
        subscriptions: dict[int, Cancel] = {}
        try:
            while True:
                headers, payload = await _read(reader)
                kind = headers[":message-type"]
                if kind == _CONNECT:
                    component = self._components.get(json_text.parse(payload).get("authToken", ""))
                    accepted = _CONNECTION_ACCEPTED if component else 0
                    await _send(writer, _CONNECT_ACK, accepted, 0, {}, b"")
                    if component is None:
                        return
                elif kind == _PING:
                    await _send(writer, _PING_RESPONSE, 0, 0, {}, payload)
                elif kind == _APPLICATION_MESSAGE and component:
                    stream = headers[":stream-id"]
                    if headers.get(":message-flags", 0) & _TERMINATE_STREAM:
                        subscriptions.pop(stream, _nothing)()
                    elif cancel := await self._operate(component, headers, payload, writer):
                        subscriptions[stream] = cancel
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            for cancel in subscriptions.values():
                cancel()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _operate(
        self,
        component: str,
        headers: dict[str, Any],
        payload: bytes,
        writer: asyncio.StreamWriter,
    ) -> Cancel | None:
        """Run an operation and send its response; return the cancel function of a subscription.

        The result is None for other operations and after an error.
        """
        operation = headers.get("operation", "")
        stream = headers[":stream-id"]
        response_sent = asyncio.Event()

        async def deliver(topic: str, content: bytes) -> None:
            await response_sent.wait()
            message = {"topicName": topic, "payload": base64.b64encode(content).decode()}
            body = json.dumps({"message": message}).encode()
            kind = {"service-model-type": _IOT_CORE_MESSAGE}
            await _send(writer, _APPLICATION_MESSAGE, 0, stream, kind, body)

        cancel: Cancel | None = None
        try:
            request = json_text.parse(payload)
            if operation == _PUBLISH:
                content = base64.b64decode(request.get("payload", ""))
                await self._publish(component, request["topicName"], content, int(request["qos"]))
            elif operation == _SUBSCRIBE:
                topic, qos = request["topicName"], int(request["qos"])
                cancel = await self._subscribe(component, topic, qos, deliver)
            else:
                text = f"{operation} is not supported by this core device"
                await _fail(writer, stream, "aws.greengrass#ServiceError", text)
                return None
        except Unauthorized as error:
            await _fail(writer, stream, "aws.greengrass#UnauthorizedError", str(error))
        except Exception as error:  # noqa: BLE001 - the client must receive a response
            await _fail(writer, stream, "aws.greengrass#ServiceError", str(error))
        else:
            kind = {"service-model-type": f"{operation}Response"}
            flags = 0 if cancel else _TERMINATE_STREAM
            await _send(writer, _APPLICATION_MESSAGE, flags, stream, kind, b"{}")
            response_sent.set()
        return cancel


def _nothing() -> None:
    """Do nothing, as the default for a terminated stream without a subscription."""


async def _read(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    prelude = await reader.readexactly(_PRELUDE_BYTES)
    total, _, crc = struct.unpack("!III", prelude)
    if total > _LARGEST_MESSAGE_BYTES or zlib.crc32(prelude[:8]) != crc:
        raise ConnectionError("not an event-stream message")
    rest = await reader.readexactly(total - _PRELUDE_BYTES)
    buffer = EventStreamBuffer()
    buffer.add_data(prelude + rest)
    message = next(buffer)
    response: dict[str, Any] = message.to_response_dict()
    return response["headers"], bytes(response["body"])


async def _send(  # noqa: PLR0913, PLR0917 - one parameter per part of a message
    writer: asyncio.StreamWriter,
    kind: int,
    flags: int,
    stream: int,
    more: dict[str, str],
    payload: bytes,
) -> None:
    headers: dict[str, str | int] = {
        ":message-type": kind,
        ":message-flags": flags,
        ":stream-id": stream,
        ":version": "0.1.0",
        ":content-type": "application/json",
        **more,
    }
    writer.write(encode(headers, payload))
    await writer.drain()


async def _fail(writer: asyncio.StreamWriter, stream: int, kind: str, text: str) -> None:
    payload = json.dumps({"message": text, "_service": "virtual-core"}).encode()
    more = {"service-model-type": kind}
    await _send(writer, _APPLICATION_ERROR, _TERMINATE_STREAM, stream, more, payload)


def _header(name: str, value: str | int) -> bytes:
    encoded = name.encode()
    start = struct.pack("!B", len(encoded)) + encoded
    if isinstance(value, int):
        return start + struct.pack("!Bi", _TYPE_INT32, value)
    text = value.encode()
    return start + struct.pack("!BH", _TYPE_STRING, len(text)) + text
