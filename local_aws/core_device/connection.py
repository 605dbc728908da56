"""The MQTT connection of a device, over TLS with its certificate, and the log of its outages."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Literal

from awscrt import mqtt
from awscrt.exceptions import AwsCrtError
from awsiot import mqtt5_client_builder, mqtt_connection_builder

from local_aws.core_device.layout import Layout
from local_aws.process.endpoint import Endpoint

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 20.0
_PAUSES_SECONDS = (0.5, 1.0, 2.0)
_KEEP_ALIVE_SECONDS = 30
_RECONNECT_SECONDS = (1, 5)
_VERSION_5 = 5
# The minimum duration of an outage that is logged.
OUTAGE_SECONDS = 10.0
# The beginnings of the two log messages about an outage, for which other programs search the log.
LOST = "no connection to the emulator"
BACK = "connected to the emulator again"


class Connection:
    """The MQTT connection of one device, with automatic reconnects and subscriptions.

    `lost` is called with the reason when the connection is interrupted, and `back` without
    arguments after a reconnect. Both run on a thread of awscrt.
    """

    def __init__(  # noqa: PLR0913 - one parameter per part of a connection
        self,
        endpoint: Endpoint,
        layout: Layout,
        thing: str,
        lost: Callable[[str], None],
        back: Callable[[], None],
        *,
        version: Literal[3, 5] = 3,
    ) -> None:
        """Configure the connection; `version` is the MQTT version, 3 or 5."""
        self._lost, self._back = lost, back
        self._is_open = False
        self._subscriptions: list[tuple[str, Callable[..., None]]] = []
        self._connection = (_version_5 if version == _VERSION_5 else _version_3)(
            endpoint, layout, thing, self._interrupted, self._resumed
        )

    def open(self) -> None:
        """Connect, with up to three retries; raise the awscrt error of the last attempt."""
        for pause_seconds in _PAUSES_SECONDS:
            try:
                self._connection.connect().result(_TIMEOUT_SECONDS)
            except AwsCrtError as error:
                logger.warning("cannot connect yet, retrying: %s", error)
                time.sleep(pause_seconds)
            else:
                self._is_open = True
                return
        self._connection.connect().result(_TIMEOUT_SECONDS)
        self._is_open = True

    def close(self) -> None:
        """Close the connection if it is open."""
        if self._is_open:
            self._is_open = False
            self._connection.disconnect().result(_TIMEOUT_SECONDS)

    def subscribe(self, topic: str, receive: Callable[[str, dict[str, Any]], None]) -> None:
        """Subscribe to a topic, and call `receive(topic, message)` for each JSON message."""
        self.listen(topic, lambda topic, payload: receive(topic, json.loads(payload or b"{}")))

    def listen(self, topic: str, receive: Callable[[str, bytes], None]) -> None:
        """Subscribe to a topic, and call `receive(topic, payload)` for each message."""

        def on_message(topic: str, payload: bytes, **_: Any) -> None:
            receive(topic, payload)

        self._subscriptions.append((topic, on_message))
        self._subscribe(topic, on_message).result(_TIMEOUT_SECONDS)

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> Future[Any]:
        """Publish a message; return a future that completes when it is sent or acknowledged.

        With QoS 0, the future completes when the message is sent. With QoS 1, it completes when the
        broker acknowledges the message.
        """
        published, _ = self._connection.publish(topic, payload, mqtt.QoS(qos))
        acknowledged: Future[Any] = Future()
        published.add_done_callback(partial(copy_result, acknowledged))
        return acknowledged

    def _subscribe(self, topic: str, on_message: Callable[..., None]) -> Future[Any]:
        future: Future[Any]
        future, _ = self._connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE, on_message)
        return future

    def _interrupted(self, *_: Any, error: Exception, **__: Any) -> None:
        self._lost(str(error))

    def _resumed(self, *_: Any, session_present: bool = False, **__: Any) -> None:
        if not session_present:
            for topic, on_message in self._subscriptions:
                self._subscribe(topic, on_message)
        self._back()


class OutageLog:
    """A log of outages that last at least `seconds`; its methods run on the event loop `loop`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, address: str, seconds: float = OUTAGE_SECONDS
    ) -> None:
        self._loop = loop
        self._address = address
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._is_reported = False

    def begin(self, reason: str) -> None:
        """Start the timer, unless an outage has already begun."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._report, reason)

    def end(self) -> None:
        """Stop the timer; log the end of the outage if its start was logged."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_reported:
            self._is_reported = False
            logger.info(BACK)

    def _report(self, reason: str) -> None:
        self._is_reported = True
        logger.warning(
            "%s for %.0f s (%s: %s); the device reconnects when the emulator runs again "
            "(`deeplens local up`)",
            LOST,
            self._seconds,
            self._address,
            reason,
        )


def _version_3(
    endpoint: Endpoint,
    layout: Layout,
    thing: str,
    interrupted: Callable[..., None],
    resumed: Callable[..., None],
) -> mqtt.Connection:
    return mqtt_connection_builder.mtls_from_path(
        endpoint=endpoint.mqtt_host,
        port=endpoint.mqtt_port,
        ca_filepath=endpoint.ca_file,
        cert_filepath=str(layout.certificate),
        pri_key_filepath=str(layout.private_key),
        client_id=thing,
        clean_session=True,
        keep_alive_secs=_KEEP_ALIVE_SECONDS,
        reconnect_min_timeout_secs=_RECONNECT_SECONDS[0],
        reconnect_max_timeout_secs=_RECONNECT_SECONDS[1],
        on_connection_interrupted=interrupted,
        on_connection_resumed=resumed,
    )


def _version_5(
    endpoint: Endpoint,
    layout: Layout,
    thing: str,
    interrupted: Callable[..., None],
    resumed: Callable[..., None],
) -> mqtt.Connection:
    client = mqtt5_client_builder.mtls_from_path(
        endpoint=endpoint.mqtt_host,
        port=endpoint.mqtt_port,
        ca_filepath=endpoint.ca_file,
        cert_filepath=str(layout.certificate),
        pri_key_filepath=str(layout.private_key),
        client_id=thing,
        keep_alive_interval_sec=_KEEP_ALIVE_SECONDS,
        min_reconnect_delay_ms=_RECONNECT_SECONDS[0] * 1000,
        max_reconnect_delay_ms=_RECONNECT_SECONDS[1] * 1000,
    )
    return client.new_connection(
        on_connection_interrupted=interrupted, on_connection_resumed=resumed
    )


def copy_result(to: Future[Any], done: Future[Any]) -> None:
    """Copy the result or the error of `done` to the future `to`, unless `to` is cancelled.

    Callers wait for a copy because futures of awscrt must not be cancelled.
    """
    if not to.set_running_or_notify_cancel():
        return
    error = done.exception()
    if error is None:
        to.set_result(done.result())
    else:
        to.set_exception(error)
