"""The HTTPS requests and MQTT messages of a device with a certificate."""

import json
import queue
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awscrt.mqtt import QoS

from testkit.waiting import HANG_SECONDS
from tests.emulator.running_emulator import Emulator

ANYTHING = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["iot:*", "greengrass:*"], "Resource": "*"},
    ],
}


@dataclass
class Device:
    """A thing in a separate group, with a certificate for HTTPS requests."""

    aws: Emulator
    thing: str
    group_arn: str
    certificate_arn: str
    tls: ssl.SSLContext

    def request(
        self, method: str, path: str, body: Any = None, thing: str | None = None
    ) -> tuple[int, Any]:
        url = f"https://127.0.0.1:{self.aws.endpoint['device_port']}{path}"
        headers = {"x-amzn-iot-thingname": thing or self.thing, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.tls) as answer:  # noqa: S310 - the server of this test
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def report(self, **message: Any) -> None:
        """Publish a health message."""
        self.aws.client("iot-data").publish(
            topic=f"$aws/things/{self.thing}/greengrassv2/health/json",
            qos=1,
            payload=json.dumps(
                {
                    "ggcVersion": "2.16.1",
                    "platform": "linux",
                    "architecture": "amd64",
                    "thing": self.thing,
                    "overallDeviceStatus": "HEALTHY",
                    "timestamp": int(time.time() * 1000),
                    "messageType": "COMPLETE",
                    "components": [],
                    **message,
                }
            ),
        )


class Mailbox:
    """The JSON messages of a device's MQTT connection, in order of arrival."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._messages: queue.Queue[tuple[str, bytes]] = queue.Queue()

    def subscribe(self, topic_filter: str) -> None:
        subscribed, _ = self._connection.subscribe(topic_filter, QoS.AT_LEAST_ONCE, self._take)
        subscribed.result(HANG_SECONDS)

    def publish(self, topic: str, message: Any) -> None:
        """Publish a message as JSON, or a string unchanged."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._connection.publish(topic, text, QoS.AT_LEAST_ONCE)[0].result(HANG_SECONDS)

    def until(self, topic: str) -> tuple[Any, set[str]]:
        """Return the next message on a topic, and the topics of all messages before it."""
        earlier = set()
        while True:
            name, payload = self._messages.get(timeout=HANG_SECONDS)
            if name == topic:
                return json.loads(payload), earlier
            earlier.add(name)

    def _take(self, topic: str, payload: bytes, **_: Any) -> None:
        self._messages.put((topic, payload))


def own_policy() -> str:
    """Return the project's AWS IoT policy for certificates, from the golden template."""
    file = Path(__file__).parents[1] / "synth/golden/dev-Devices.json"
    resources = json.loads(file.read_text(encoding="utf-8"))["Resources"].values()
    (policy,) = (resource for resource in resources if resource["Type"] == "AWS::IoT::Policy")
    return json.dumps(policy["Properties"]["PolicyDocument"])
