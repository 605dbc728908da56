"""An MQTT server for one device, written from the OASIS standards 3.1.1 and 5.

The server shares no code with the emulator's broker. It does not support QoS 2, retained messages
or sessions.
"""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_CONNECT, _CONNACK, _PUBLISH, _PUBACK = 1, 2, 3, 4
_SUBSCRIBE, _SUBACK, _UNSUBSCRIBE, _UNSUBACK = 8, 9, 10, 11
_PINGREQ, _PINGRESP, _DISCONNECT = 12, 13, 14
_VERSION_5 = 5


@dataclass
class MqttServer:
    """A server that passes the device's packets to `take(kind, members)` in the loop's thread."""

    take: Callable[[str, dict[str, Any]], None]
    filters: list[str] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _writer: asyncio.StreamWriter | None = None
    _version: int = 4
    _identifier: int = 0

    async def start(self, context: ssl.SSLContext) -> int:
        """Listen on a free loopback port; return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop the server and close its connection."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await self._writer.wait_closed()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def is_subscribed(self, topic: str) -> bool:
        """Return true if a topic filter of the device matches a topic."""
        return any(_matches(pattern.split("/"), topic.split("/")) for pattern in self.filters)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message with QoS 1 to the device."""
        assert self._writer is not None, "no device is connected"
        self._identifier = self._identifier % 65_535 + 1
        properties = b"\0" if self._version == _VERSION_5 else b""
        body = _text(topic) + struct.pack("!H", self._identifier) + properties + payload
        self._writer.write(_packet(_PUBLISH, body, flags=2))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        try:
            while True:
                first = (await reader.readexactly(1))[0]
                body = await reader.readexactly(await _length(reader))
                if first >> 4 == _DISCONNECT:
                    return
                self._receive(first >> 4, first & 15, _Body(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def _receive(self, packet: int, flags: int, body: "_Body") -> None:
        if packet == _CONNECT:
            self._connect(body)
        elif packet == _SUBSCRIBE:
            self._subscribe(body)
        elif packet == _UNSUBSCRIBE:
            self._reply(_UNSUBACK, body.number().to_bytes(2, "big") + self._empty())
        elif packet == _PUBLISH:
            self._published(flags, body)
        elif packet == _PINGREQ:
            self._reply(_PINGRESP, b"")
        else:
            assert packet == _PUBACK, f"packet of type {packet}"

    def _connect(self, body: "_Body") -> None:
        assert body.text() == "MQTT"
        self._version = body.byte()
        body.byte()
        body.number()
        self._skip_properties(body)
        self.take("connect", {"version": self._version, "client_id": body.text()})
        self._reply(_CONNACK, b"\0\0" + self._empty())

    def _subscribe(self, body: "_Body") -> None:
        identifier = body.number()
        self._skip_properties(body)
        granted = b""
        while body.rest():
            topic, qos = body.text(), body.byte() & 3
            self.filters.append(topic)
            granted += bytes([min(qos, 1)])
            self.take("subscribe", {"topic": topic, "qos": qos})
        self._reply(_SUBACK, identifier.to_bytes(2, "big") + self._empty() + granted)

    def _published(self, flags: int, body: "_Body") -> None:
        topic, qos = body.text(), flags >> 1 & 3
        identifier = body.number() if qos else 0
        self._skip_properties(body)
        self.take("publish", {"topic": topic, "qos": qos, "payload": body.rest()})
        if qos:
            self._reply(_PUBACK, identifier.to_bytes(2, "big"))

    def _skip_properties(self, body: "_Body") -> None:
        if self._version == _VERSION_5:
            body.skip(body.variable())

    def _empty(self) -> bytes:
        """Return an empty properties block for MQTT 5, or an empty string for MQTT 3.1.1."""
        return b"\0" if self._version == _VERSION_5 else b""

    def _reply(self, packet: int, body: bytes) -> None:
        assert self._writer is not None
        self._writer.write(_packet(packet, body))


class _Body:
    """A reader of a packet's fields, in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def skip(self, count: int) -> bytes:
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def byte(self) -> int:
        return self.skip(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.skip(2), "big")

    def text(self) -> str:
        return self.skip(self.number()).decode()

    def variable(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def rest(self) -> bytes:
        return self._data


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def _packet(packet: int, body: bytes, flags: int = 0) -> bytes:
    length, header = len(body), bytes([packet << 4 | flags])
    while True:
        length, digit = divmod(length, 128)
        header += bytes([digit | (128 if length else 0)])
        if not length:
            return header + body


async def _length(reader: asyncio.StreamReader) -> int:
    value = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value


def _matches(levels: list[str], topic: list[str]) -> bool:
    """Return true if a topic filter matches a topic, both split into levels."""
    if not levels or levels[0] == "#":
        return bool(levels) or not topic
    return bool(topic) and levels[0] in {"+", topic[0]} and _matches(levels[1:], topic[1:])
