"""Publish and subscribe through the AWS IoT Greengrass core."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from camera.errors import PublishError

logger = logging.getLogger(__name__)

Receive = Callable[[str, bytes], None]

_TIMEOUT_SECONDS = 5.0
# This is the value of awsiot.greengrasscoreipc.model.QOS.AT_LEAST_ONCE, whose import takes long.
_AT_LEAST_ONCE = "1"

_importing = threading.Lock()


class ResultPublisher(Protocol):
    """The interface of a publisher of messages."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a message, and return when it is accepted; otherwise raise `PublishError`."""
        ...

    def close(self) -> None:
        """Close the connection and return immediately; the next message opens a new one."""
        ...


class Subscriber(Protocol):
    """The interface of a receiver of messages of topics."""

    def subscribe(
        self, topics: Sequence[str], receive: Receive, on_ready: Callable[[], None]
    ) -> None:
        """Call `on_ready()`, then `receive(topic, payload)` for each message.

        Returns when the subscription ends.

        Raises:
            PublishError: a subscription is rejected.
        """
        ...

    def close(self) -> None:
        """Make `subscribe` return, now and in each later call."""
        ...


class GreengrassPublisher:
    """A publisher to AWS IoT Core through the Greengrass core's IPC, at least once (QoS 1).

    Any thread may use it. It connects for the first message, and again after a failure.
    """

    def __init__(self, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Limit the connection, and then each message, to `timeout_seconds`."""
        self._timeout_seconds = timeout_seconds
        self._connecting = threading.Lock()
        self._client: Any = None

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a message through the core.

        Raises:
            PublishError: the core is not available, does not respond, or rejects the message.
        """
        client = self._connected()
        try:
            # The lock is not held, so that a slow response does not delay other messages.
            client.publish_to_iot_core_async(
                topic_name=topic, qos=_AT_LEAST_ONCE, payload=payload
            ).result(self._timeout_seconds)
        except TimeoutError as error:
            self._discard(client)
            raise PublishError(
                f"{topic}: Greengrass did not respond within {self._timeout_seconds:g} s"
            ) from error
        except Exception as error:
            self._discard(client)
            raise PublishError(f"{topic}: {_rejection(error, 'PublishToIoTCore')}") from error

    def close(self) -> None:
        """Close the connection and return immediately; the next message opens a new one."""
        # The lock is not acquired, because a connecting thread holds it for seconds.
        client, self._client = self._client, None
        if client is not None:
            _close(client)

    def _connected(self) -> Any:
        with self._connecting:
            if self._client is None:
                try:
                    self._client = _connect(self._timeout_seconds)
                except Exception as error:
                    raise PublishError(
                        f"Greengrass' IPC cannot be reached: {_described(error)}"
                    ) from error
            return self._client

    def _discard(self, client: Any) -> None:
        with self._connecting:
            if client is None or client is not self._client:
                return
            self._client = None
        _close(client)


class GreengrassSdkPublisher:
    """A publisher through `greengrasssdk`, the message router of an AWS DeepLens.

    Source: greengrasssdk 1.6.1, `IoTDataPlane.publish(topic, payload, queueFullPolicy)`.
    """

    def __init__(self) -> None:
        self._client: Any = None

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a message through the core's router.

        Raises:
            PublishError: the software is not installed, or the router rejects the message.
        """
        try:
            if self._client is None:
                # Only a core with the legacy runtime has this module.
                import greengrasssdk  # noqa: PLC0415 - see above

                self._client = greengrasssdk.client("iot-data")
            # If the router's queue is full, an error is raised, so that the message remains in the
            # spool.
            self._client.publish(topic=topic, payload=payload, queueFullPolicy="AllOrException")
        except Exception as error:
            self._client = None
            text = f"{type(error).__name__}: {error}"
            raise PublishError(f"{topic}: greengrasssdk did not accept it: {text}") from error

    def close(self) -> None:
        """Do nothing: each message has a separate connection to the router."""


class GreengrassSubscriber:
    """A subscriber to topics of AWS IoT Core through the Greengrass core's IPC.

    Its connection is separate, because a rejected message must not end a subscription.
    """

    def __init__(self, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Limit the connection, and then each subscription, to `timeout_seconds`."""
        self._timeout_seconds = timeout_seconds
        self._is_closed = False
        # Set when the newest subscription ends.
        self._ended = threading.Event()

    def subscribe(
        self, topics: Sequence[str], receive: Receive, on_ready: Callable[[], None]
    ) -> None:
        """Call `on_ready()`, then `receive(topic, payload)` for each message.

        `receive` is called in the connection's thread, and must return soon. The method returns
        when the subscription ends.

        Raises:
            PublishError: the core is not available, does not respond, or rejects the subscription.
        """
        ended = self._ended = threading.Event()
        # `close` sets the flag before it sets the event, so the flag is checked after the event is
        # created.
        if self._is_closed:
            return
        client = None
        try:
            client = _connect(self._timeout_seconds)
            for topic in topics:
                response, _ = client.subscribe_to_iot_core_async(
                    topic_name=topic,
                    qos=_AT_LEAST_ONCE,
                    on_stream_event=lambda event: receive(
                        event.message.topic_name, event.message.payload
                    ),
                    on_stream_error=lambda _error: True,
                    on_stream_closed=ended.set,
                )
                response.result(self._timeout_seconds)
            on_ready()
            ended.wait()
        except TimeoutError as error:
            raise PublishError(
                f"Greengrass did not respond within {self._timeout_seconds:g} s"
            ) from error
        except Exception as error:
            raise PublishError(_rejection(error, "SubscribeToIoTCore")) from error
        finally:
            if client is not None:
                client.close()

    def close(self) -> None:
        """Make `subscribe` return, now and in each later call."""
        self._is_closed = True
        self._ended.set()


def _connect(timeout_seconds: float) -> Any:
    # These modules exist only on a core device, and their import takes long. The modules import
    # each other, so two threads that import them at once cause a deadlock error in Python. A lock
    # prevents it.
    with _importing:
        from awsiot.greengrasscoreipc import connect  # noqa: PLC0415
        from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2  # noqa: PLC0415

    # No executor is used, because a thread pool accepts no work during interpreter shutdown.
    return GreengrassCoreIPCClientV2(client=connect(timeout=timeout_seconds), executor=None)


def _close(client: Any) -> None:
    try:
        client.close()
    except Exception:
        logger.exception("the IPC connection did not close")


def _rejection(error: Exception, operation: str) -> str:
    if type(error).__name__ == "UnauthorizedError":
        return (
            "Greengrass rejected it; the deployment's accessControl must allow "
            f"aws.greengrass#{operation} on this topic ({_described(error)})"
        )
    return f"Greengrass did not accept it: {_described(error)}"


def _described(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"the environment variable {error} is not set; Greengrass sets it"
    # Errors of the IPC's model contain their text in an attribute.
    text = getattr(error, "message", None) or str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
