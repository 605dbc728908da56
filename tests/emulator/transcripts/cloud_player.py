"""A player of a transcript's cloud for a core device: MQTT broker, HTTPS endpoint and S3.

The player's servers share no code with the emulator. The servers respond to the device as the
transcript specifies. The device's MQTT packets between two cloud events may be in any order.
"""

import asyncio
import datetime as dt
import ipaddress
import json
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local_aws.transcripts.events import CLOUD, OPERATOR, Event, Transcript, kind
from local_aws.transcripts.patterns import fill, match
from testkit.waiting import eventually
from tests.emulator.transcripts.mqtt_server import MqttServer

_SIGNED_HEADERS = re.compile(r"SignedHeaders=(?P<names>[^, ]+)")


@dataclass
class Addresses:
    """The ports of the player's servers, and the file with their certificate authority."""

    mqtt_port: int
    device_port: int
    s3_port: int
    ca_file: Path


@dataclass
class CloudPlayer:
    """A player of a transcript's cloud, which expects the messages of the device."""

    transcript: Transcript
    bindings: dict[str, Any]
    folder: Path
    objects: dict[tuple[str, str], bytes]
    # Received messages that match no event of the transcript.
    unexpected: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    addresses: Addresses = field(init=False)
    _received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _answered: list[int] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _mqtt: MqttServer = field(init=False)
    _thread: threading.Thread = field(init=False)
    _runners: list[web.AppRunner] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the servers in a thread."""
        self._mqtt = MqttServer(self._take)
        self._authority = Authority(self.folder)
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.addresses = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    def stop(self) -> None:
        """Stop the servers and their thread."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Return a certificate that the authority signed, and its private key, as PEM."""
        return self._authority.issue(name)

    def play(self) -> Iterator[Event]:
        """Play the events; yield the operator's events, which the caller performs."""
        for index, event in enumerate(self.transcript.events):
            if event["from"] == OPERATOR:
                yield fill(event, self.bindings)
            elif event["from"] == CLOUD:
                self._send(event)
            elif kind(event) in {"https", "s3"}:
                eventually(lambda at=index: at in self._answered, lambda e=event: self._missing(e))  # type: ignore[misc]
            else:
                self._expect(event)
        self.unexpected = list(self._received)

    def _send(self, event: Event) -> None:
        if kind(event) != "publish":
            return
        filled = fill(event, self.bindings)
        topic = filled["topic"]
        eventually(lambda: self._mqtt.is_subscribed(topic), f"a subscription to {topic}")
        payload = json.dumps(filled["payload"]).encode()
        self._loop.call_soon_threadsafe(self._mqtt.publish, topic, payload)

    def _expect(self, event: Event) -> None:
        """Wait for an event's packet, and accept the repetitions that the event allows."""
        eventually(lambda: self._consume(event), lambda: self._missing(event))
        for _ in range(event.get("repeat", 1) - 1):
            self._consume(event)

    def _consume(self, event: Event) -> bool:
        members = {name: value for name, value in event.items() if name not in {"from", "repeat"}}
        members.pop("mqtt")
        for packet in list(self._received):
            extended = (
                match(members, packet[1], self.bindings) if packet[0] == kind(event) else None
            )
            if extended is not None:
                self.bindings.update(extended)
                self._received.remove(packet)
                return True
        return False

    def _missing(self, event: Event) -> str:
        shown = "\n".join(f"  {packet}" for packet in self._received)
        return f"the device to send {event}\nwith {self.bindings}\ngot\n{shown}"

    def _take(self, name: str, members: dict[str, Any]) -> None:
        if "payload" in members:
            members["payload"] = json.loads(members["payload"])
        self._received.append((name, members))

    async def _start(self) -> Addresses:
        context = self._authority.server_context()
        mqtt_port = await self._mqtt.start(context)
        device_port = await self._serve(self._answer_device, context)
        s3_port = await self._serve(self._answer_s3, None)
        return Addresses(mqtt_port, device_port, s3_port, self._authority.ca_file)

    async def _stop(self) -> None:
        await self._mqtt.stop()
        for runner in self._runners:
            await runner.cleanup()

    async def _serve(self, answer: Any, context: ssl.SSLContext | None) -> int:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port: int = runner.addresses[0][1]
        return port

    async def _answer_device(self, request: web.Request) -> web.Response:
        body = await request.read()
        sent: Event = {
            "https": request.method,
            "path": request.path_qs,
            "headers": {name.lower(): value for name, value in request.headers.items()},
        }
        if body:
            sent["body"] = json.loads(body)
        answer = self._answer("https", sent)
        if answer is None:
            return web.json_response({"message": "not in the transcript"}, status=404)
        return web.json_response(fill(answer.get("body"), self.bindings), status=answer["https"])

    async def _answer_s3(self, request: web.Request) -> web.Response:
        _, bucket, key = request.path.split("/", 2)
        signed = _SIGNED_HEADERS.search(request.headers.get("authorization", ""))
        sent = {
            "s3": request.method, "bucket": bucket, "key": key,
            "signed_headers": signed["names"] if signed else "",
        }  # fmt: skip
        answer = self._answer("s3", sent)
        if answer is None:
            return web.Response(status=404)
        return web.Response(status=answer["s3"], body=self.objects[bucket, key])

    def _answer(self, name: str, sent: Event) -> Event | None:
        """Return the event that responds to a request, or None without a matching event.

        A repeated request has the same response.
        """
        requests = [
            index
            for index, event in enumerate(self.transcript.events)
            if event["from"] == "device" and kind(event) == name
        ]
        for index in sorted(requests, key=self._answered.count):
            pattern = {key: value for key, value in self.transcript.events[index].items()
                      if key != "from"}  # fmt: skip
            extended = match(pattern, sent, self.bindings)
            if extended is not None:
                self.bindings.update(extended)
                self._answered.append(index)
                return self.transcript.events[index + 1]
        self._received.append((name, sent))
        return None


class Authority:
    """A certificate authority for one test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("transcript authority")
        self.ca_file = folder / "ca.pem"
        usage = x509.BasicConstraints(ca=True, path_length=None)
        made = self._builder(self._name, self._key).add_extension(usage, critical=True)
        signed = made.sign(self._key, hashes.SHA256())
        self.ca_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Return a certificate for localhost and 127.0.0.1, and its private key, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        made = self._builder(_named(name), key).add_extension(
            x509.SubjectAlternativeName(hosts), critical=False
        )
        pem = serialization.Encoding.PEM
        return made.sign(self._key, hashes.SHA256()).public_bytes(pem), key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def server_context(self) -> ssl.SSLContext:
        """Return a server's TLS context that requires client certificates of this authority."""
        certificate, key = self.issue("transcript cloud")
        chain = self._folder / "server.pem"
        chain.write_bytes(certificate + key)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca_file))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(chain)
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - dt.timedelta(days=1),
            not_valid_after=now + dt.timedelta(days=1),
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
