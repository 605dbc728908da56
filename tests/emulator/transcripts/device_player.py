"""A player of a transcript's device for the emulator, with the files of a provisioned device."""

import http.client
import json
import queue
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Signal
from typing import Any
from urllib.parse import urlsplit

from awscrt import mqtt5
from awsiot import mqtt5_client_builder
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_aws.transcripts.events import CLOUD, OPERATOR, Event, Transcript, kind
from local_aws.transcripts.patterns import fill, match
from testkit.waiting import HANG_SECONDS
from tests.emulator.device_client import Device
from tests.emulator.running_emulator import REGION


@dataclass
class DevicePlayer:
    """A player of a transcript's device, which expects the messages of the cloud."""

    transcript: Transcript
    device: Device
    files: Path
    bindings: dict[str, Any]
    # Received messages that match none of the transcript's events.
    unexpected: list[tuple[str, Any]] = field(default_factory=list)
    downloads: list[bytes] = field(default_factory=list)
    _received: "queue.Queue[tuple[str, Any]]" = field(default_factory=queue.Queue)
    _client: mqtt5.Client | None = None
    _response: tuple[int, Any] = (0, None)

    def play(self) -> Iterator[Event]:
        """Play the events; yield the operator's events, which the caller performs."""
        try:
            for event in self.transcript.events:
                if event["from"] == OPERATOR:
                    yield fill(event, self.bindings)
                elif event["from"] == CLOUD:
                    self._expect(event)
                else:
                    self._send(event)
        finally:
            if self._client is not None:
                self._client.stop()
        while not self._received.empty():
            self.unexpected.append(self._received.get())

    def _send(self, event: Event) -> None:
        for _ in range(event.get("repeat", 1)):
            filled = fill(event, self.bindings)
            {
                "connect": self._connect,
                "subscribe": self._subscribe,
                "publish": self._publish,
                "https": self._request,
                "s3": self._download,
            }[kind(event)](filled)

    def _expect(self, event: Event) -> None:
        if kind(event) == "publish":
            self._expect_message(event)
            return
        status, body = self._response
        assert status == event[kind(event)], (event, status, body)
        extended = match(event.get("body", "${_}"), body, self.bindings)
        assert extended is not None, (event, body)
        self.bindings.update(extended)

    def _expect_message(self, event: Event) -> None:
        """Wait for a message; store earlier messages for later events."""
        early = []
        give_up_at = time.monotonic() + HANG_SECONDS
        while True:
            seconds = max(give_up_at - time.monotonic(), 0.01)
            try:
                topic, payload = self._received.get(timeout=seconds)
            except queue.Empty:
                raise AssertionError(f"expected {event}; got {early}") from None
            pattern = {"topic": event["topic"], "payload": event["payload"]}
            extended = match(pattern, {"topic": topic, "payload": payload}, self.bindings)
            if extended is not None:
                break
            early.append((topic, payload))
        self.bindings.update(extended)
        for message in early:
            self._received.put(message)

    def _connect(self, event: Event) -> None:
        endpoint = self.device.aws.endpoint
        assert event["version"] == 5, "the player has a client of MQTT 5 only"
        connected = Signal()
        self._client = mqtt5_client_builder.mtls_from_path(
            endpoint=endpoint["mqtt_host"],
            port=endpoint["mqtt_port"],
            ca_filepath=endpoint["ca_file"],
            cert_filepath=str(self.files / "certificate.pem"),
            pri_key_filepath=str(self.files / "key.pem"),
            client_id=event["client_id"],
            on_publish_received=self._take,
            on_lifecycle_connection_success=lambda _: connected.set(),
        )
        self._client.start()
        assert connected.wait(HANG_SECONDS)

    def _take(self, data: Any) -> None:
        packet = data.publish_packet
        self._received.put((packet.topic, json.loads(packet.payload)))

    def _subscribe(self, event: Event) -> None:
        assert self._client is not None
        subscription = mqtt5.Subscription(event["topic"], mqtt5.QoS(event["qos"]))
        granted = self._client.subscribe(mqtt5.SubscribePacket([subscription])).result(HANG_SECONDS)
        assert [code.value for code in granted.reason_codes] == [event["qos"]]

    def _publish(self, event: Event) -> None:
        assert self._client is not None
        packet = mqtt5.PublishPacket(
            topic=event["topic"],
            payload=json.dumps(event["payload"]),
            qos=mqtt5.QoS(event.get("qos", 1)),
        )
        self._client.publish(packet).result(HANG_SECONDS)

    def _request(self, event: Event) -> None:
        self._response = self.device.request(event["https"], event["path"], event.get("body"))

    def _download(self, event: Event) -> None:
        """Send a request to S3, signed with the credentials that the device received."""
        url = f"{self.device.aws.endpoint['endpoint_url']}/{event['bucket']}/{event['key']}"
        signed = AWSRequest(event["s3"], url)
        credentials = Credentials(
            self.bindings["access_key_id"],
            self.bindings["secret_access_key"],
            self.bindings["session_token"],
        )
        S3SigV4Auth(credentials, "s3", REGION).add_auth(signed)
        headers = dict(signed.headers)
        assert f"SignedHeaders={event['signed_headers']}," in headers["Authorization"]
        address = urlsplit(url)
        with closing(http.client.HTTPConnection(str(address.hostname), address.port)) as connection:
            connection.request(event["s3"], address.path, headers=headers)
            response = connection.getresponse()
            self.downloads.append(response.read())
            self._response = response.status, None
