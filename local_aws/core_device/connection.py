"""MQTT over TLS with the device certificate."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from awscrt import mqtt
from awsiot import mqtt_connection_builder

from local_aws.core_device.layout import Layout
from local_aws.endpoint import Endpoint

if TYPE_CHECKING:
    from concurrent.futures import Future

_TIMEOUT_SECONDS = 20.0


class Connection:
    """One device's connection; it reconnects by itself and keeps its subscriptions."""

    def __init__(self, endpoint: Endpoint, layout: Layout, thing: str) -> None:
        self._subscriptions: list[tuple[str, Callable[..., None]]] = []
        self._connection = mqtt_connection_builder.mtls_from_path(
            endpoint=endpoint.mqtt_host,
            port=endpoint.mqtt_port,
            ca_filepath=endpoint.ca_file,
            cert_filepath=str(layout.certificate),
            pri_key_filepath=str(layout.private_key),
            client_id=thing,
            clean_session=True,
            keep_alive_secs=30,
            on_connection_resumed=self._resumed,
        )

    def open(self) -> None:
        """Connect; raise what awscrt raises."""
        self._connection.connect().result(_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Disconnect."""
        self._connection.disconnect().result(_TIMEOUT_SECONDS)

    def subscribe(self, topic: str, receive: Callable[[str, dict[str, Any]], None]) -> None:
        """Call `receive(topic, message)` for each JSON message."""

        def on_message(topic: str, payload: bytes, **_: Any) -> None:
            receive(topic, json.loads(payload or b"{}"))

        self._subscriptions.append((topic, on_message))
        self._subscribe(topic, on_message).result(_TIMEOUT_SECONDS)

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> "Future[Any]":
        """Publish; the future is done when the broker has acknowledged."""
        future: Future[Any]
        future, _ = self._connection.publish(topic, payload, mqtt.QoS(qos))
        return future

    def _subscribe(self, topic: str, on_message: Callable[..., None]) -> "Future[Any]":
        future: Future[Any]
        future, _ = self._connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE, on_message)
        return future

    def _resumed(self, *_: Any, session_present: bool = False, **__: Any) -> None:
        if not session_present:
            for topic, on_message in self._subscriptions:
                self._subscribe(topic, on_message)
