"""Where messages go."""

import logging
import threading
from typing import Any, Protocol

from camera.errors import PublishError

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 5.0


class ResultPublisher(Protocol):
    """Hands a message on."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Return when the message was taken; raise `PublishError` when it was not."""
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
            from awsiot.greengrasscoreipc.model import QOS  # noqa: PLC0415 - see _connect

            # No lock here: a slow answer to one message must not hold up another.
            client.publish_to_iot_core_async(
                topic_name=topic, qos=QOS.AT_LEAST_ONCE, payload=payload
            ).result(self._timeout_seconds)
        except TimeoutError as error:
            self._give_up(client)
            raise PublishError(
                f"{topic}: Greengrass did not answer within {self._timeout_seconds:g} s"
            ) from error
        except Exception as error:
            self._give_up(client)
            raise PublishError(f"{topic}: {_refusal(error)}") from error

    def close(self) -> None:
        """Give the connection up; the next message makes a new one."""
        self._give_up(self._client)

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
        try:
            client.close()
        except Exception:
            logger.exception("the IPC connection did not close")


def _connect(timeout_seconds: float) -> Any:
    # Only a core device has these, and loading them takes a while.
    from awsiot.greengrasscoreipc import connect  # noqa: PLC0415
    from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2  # noqa: PLC0415

    # No executor: nothing is subscribed to, and a thread pool takes no work at exit.
    return GreengrassCoreIPCClientV2(client=connect(timeout=timeout_seconds), executor=None)


def _refusal(error: Exception) -> str:
    if type(error).__name__ == "UnauthorizedError":
        return (
            "Greengrass refused it; the deployment's accessControl must allow "
            f"aws.greengrass#PublishToIoTCore on this topic ({_described(error)})"
        )
    return f"Greengrass did not take it: {_described(error)}"


def _described(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"the environment variable {error} is not set; Greengrass sets it"
    # Errors of the IPC's model carry their text in an attribute.
    text = getattr(error, "message", None) or str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
