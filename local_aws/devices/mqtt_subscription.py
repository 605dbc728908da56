"""A subscription to detections over MQTT with TLS and a client certificate."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from awscrt import mqtt
from awscrt.exceptions import AwsCrtError
from awsiot import mqtt_connection_builder

POLICY_NAME = "local-watch"
_CONNECT_TIMEOUT_SECONDS = 15


@dataclass(frozen=True)
class Broker:
    """The address of the emulator's MQTT broker."""

    host: str
    port: int
    ca_file: Path


class Subscription:
    """A subscription that calls `on_message(topic, payload)` for each message until it is closed.

    Raises:
        ConnectionError: the broker cannot be reached, does not respond, or rejects the certificate.
    """

    def __init__(
        self,
        broker: Broker,
        identity: Path,
        topic_filter: str,
        on_message: Callable[[str, bytes], None],
    ) -> None:
        self._connection = mqtt_connection_builder.mtls_from_path(
            endpoint=broker.host,
            port=broker.port,
            ca_filepath=str(broker.ca_file),
            cert_filepath=str(identity / "certificate.pem"),
            pri_key_filepath=str(identity / "private.key"),
            client_id=f"watch-{uuid4().hex[:12]}",
            clean_session=True,
        )
        try:
            self._connection.connect().result(_CONNECT_TIMEOUT_SECONDS)
            subscribed, _ = self._connection.subscribe(
                topic=topic_filter,
                qos=mqtt.QoS.AT_LEAST_ONCE,
                callback=lambda topic, payload, **_: on_message(topic, payload),
            )
            subscribed.result(_CONNECT_TIMEOUT_SECONDS)
        except (AwsCrtError, TimeoutError) as error:
            raise ConnectionError(
                f"the MQTT broker at {broker.host}:{broker.port} rejects the subscription to "
                f"{topic_filter}: {error or f'no response within {_CONNECT_TIMEOUT_SECONDS} s'}"
            ) from error

    def close(self) -> None:
        """Disconnect from the broker."""
        self._connection.disconnect().result(_CONNECT_TIMEOUT_SECONDS)


def ensure_identity(folder: Path, session: boto3.Session, endpoint_url: str) -> Path:
    """Issue a certificate for all topics, unless `folder` has a registered one; return `folder`.

    Only the owner can read the folder, because it contains the private key.
    """
    iot = session.client("iot", endpoint_url=endpoint_url)
    id_file = folder / "certificate-id"
    if id_file.is_file():
        try:
            iot.describe_certificate(certificateId=id_file.read_text(encoding="utf-8"))
        except iot.exceptions.ResourceNotFoundException:
            pass
        else:
            return folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    issued = iot.create_keys_and_certificate(setAsActive=True)
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["iot:Connect", "iot:Subscribe", "iot:Receive"],
                "Resource": "*",
            }
        ],
    }
    with contextlib.suppress(iot.exceptions.ResourceAlreadyExistsException):
        iot.create_policy(policyName=POLICY_NAME, policyDocument=json.dumps(document))
    iot.attach_policy(policyName=POLICY_NAME, target=issued["certificateArn"])
    key = folder / "private.key"
    key.touch(mode=0o600)
    key.write_text(issued["keyPair"]["PrivateKey"], encoding="utf-8")
    (folder / "certificate.pem").write_text(issued["certificatePem"], encoding="utf-8")
    id_file.write_text(issued["certificateId"], encoding="utf-8")
    return folder


def describe(payload: bytes) -> str:
    """Describe a camera's message, or another payload, in one line."""
    try:
        return _described(json.loads(payload))
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"not a message of a camera: {payload[:200]!r}"


def _described(message: Any) -> str:
    if "error" in message:
        error = message["error"]
        return f"{message['thing']}: error: {error['type']}: {error['message']}"
    model, frame = message["model"], message["frame"]
    detections = ", ".join(f"{item['label']} {item['score']:.2f}" for item in message["detections"])
    if omitted := message.get("omitted"):
        detections += f", {omitted} more"
    return (
        f"{message['thing']}  {model['name']} {model['version']} ({model['digest'][:12]})  "
        f"{frame['source']}: {detections}  [{message['inference_ms']:.0f} ms]"
    )
