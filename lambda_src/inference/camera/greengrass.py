"""Where messages go, and where settings come from."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from camera.errors import PublishError

logger = logging.getLogger(__name__)

Receive = Callable[[str, bytes], None]

_TIMEOUT_SECONDS = 5.0
# awsiot.greengrasscoreipc.model.QOS.AT_LEAST_ONCE
_AT_LEAST_ONCE = "1"

_importing = threading.Lock()


class ResultPublisher(Protocol):
    """Hands a message on."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Return when the message was taken; raise `PublishError` when it was not."""
        ...

    def close(self) -> None:
        """Close the connection; return at once. The next message opens another one."""
        ...


class Subscriber(Protocol):
    """Receives what is published to topics."""

    def subscribe(
        self, topics: Sequence[str], receive: Receive, on_ready: Callable[[], None]
    ) -> None:
        """Call `on_ready()`, then `receive(topic, payload)` for each message, until it ends.

        Raises `PublishError` when a subscription is not taken.
        """
        ...

    def close(self) -> None:
        """Make `subscribe` return, now and at each later call."""
        ...


class GreengrassPublisher:
    """Publishes to AWS IoT Core through the Greengrass core's IPC, at least once (QoS 1).

    May be used by several threads. Connects at the first message, and anew after a failure.
    """

    def __init__(self, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """`timeout_seconds` limits the connection, and then each message's hand-over."""
        self._timeout_seconds = timeout_seconds
        self._connecting = threading.Lock()
        self._client: Any = None

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message to the core.

        Raises:
            PublishError: the core cannot be reached, did not answer in time or refused.
        """
        client = self._connected()
        try:
            # No lock here: a slow answer to one message must not hold up another.
            client.publish_to_iot_core_async(
                topic_name=topic, qos=_AT_LEAST_ONCE, payload=payload
            ).result(self._timeout_seconds)
        except TimeoutError as error:
            self._give_up(client)
            raise PublishError(
                f"{topic}: Greengrass did not answer within {self._timeout_seconds:g} s"
            ) from error
        except Exception as error:
            self._give_up(client)
            raise PublishError(f"{topic}: {_refusal(error, 'PublishToIoTCore')}") from error

    def close(self) -> None:
        """Close the connection; return at once. The next message opens another one."""
        # No lock here: a thread that connects holds it for seconds.
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

    def _give_up(self, client: Any) -> None:
        with self._connecting:
            if client is None or client is not self._client:
                return
            self._client = None
        _close(client)


class GreengrassSubscriber:
    """Subscribes to topics of AWS IoT Core through the Greengrass core's IPC.

    On a connection of its own: a message that is not taken must not end a subscription.
    """

    def __init__(self, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """`timeout_seconds` limits the connection, and then each subscription."""
        self._timeout_seconds = timeout_seconds
        self._is_closed = False
        # The end of the newest subscription.
        self._ended = threading.Event()

    def subscribe(
        self, topics: Sequence[str], receive: Receive, on_ready: Callable[[], None]
    ) -> None:
        """Call `on_ready()`, then `receive(topic, payload)` for each message, until it ends.

        `receive` is called in the connection's own thread, and must return soon.

        Raises:
            PublishError: the core cannot be reached, did not answer in time or refused.
        """
        ended = self._ended = threading.Event()
        # Only now: `close` first sets this, and then the event.
        if self._is_closed:
            return
        client = None
        try:
            client = _connect(self._timeout_seconds)
            for topic in topics:
                answered, _ = client.subscribe_to_iot_core_async(
                    topic_name=topic,
                    qos=_AT_LEAST_ONCE,
                    on_stream_event=lambda event: receive(
                        event.message.topic_name, event.message.payload
                    ),
                    on_stream_error=lambda _error: True,
                    on_stream_closed=ended.set,
                )
                answered.result(self._timeout_seconds)
            on_ready()
            ended.wait()
        except TimeoutError as error:
            raise PublishError(
                f"Greengrass did not answer within {self._timeout_seconds:g} s"
            ) from error
        except Exception as error:
            raise PublishError(_refusal(error, "SubscribeToIoTCore")) from error
        finally:
            if client is not None:
                client.close()

    def close(self) -> None:
        """Make `subscribe` return, now and at each later call."""
        self._is_closed = True
        self._ended.set()


def _connect(timeout_seconds: float) -> Any:
    # Only a core device has these, and loading them takes a while. One thread at a time: their
    # modules import each other, and Python gives up where two threads begin at two ends.
    with _importing:
        from awsiot.greengrasscoreipc import connect  # noqa: PLC0415
        from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2  # noqa: PLC0415

    # No executor: nothing is subscribed to, and a thread pool takes no work at exit.
    return GreengrassCoreIPCClientV2(client=connect(timeout=timeout_seconds), executor=None)


def _close(client: Any) -> None:
    try:
        client.close()
    except Exception:
        logger.exception("the IPC connection did not close")


def _refusal(error: Exception, operation: str) -> str:
    if type(error).__name__ == "UnauthorizedError":
        return (
            "Greengrass refused it; the deployment's accessControl must allow "
            f"aws.greengrass#{operation} on this topic ({_described(error)})"
        )
    return f"Greengrass did not take it: {_described(error)}"


def _described(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"the environment variable {error} is not set; Greengrass sets it"
    # Errors of the IPC's model carry their text in an attribute.
    text = getattr(error, "message", None) or str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
