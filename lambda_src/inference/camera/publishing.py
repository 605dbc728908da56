"""Where messages go."""

import logging
from typing import Any, Protocol

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10.0


class ResultPublisher(Protocol):
    """Hands a message on."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Return when the message was taken; raise when it was not."""
        ...


class GreengrassPublisher:
    """Publishes to AWS IoT Core through the Greengrass core's IPC, at least once (QoS 1)."""

    def __init__(self) -> None:
        self._client: Any = None

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish; after a failure the next call connects anew.

        Raises:
            Exception: whatever the IPC client raises; the connection is given up.
        """
        from awsiot.greengrasscoreipc.clientv2 import (  # noqa: PLC0415 - only on a core device
            GreengrassCoreIPCClientV2,
        )
        from awsiot.greengrasscoreipc.model import QOS  # noqa: PLC0415 - as above

        if self._client is None:
            self._client = GreengrassCoreIPCClientV2()
        try:
            done = self._client.publish_to_iot_core_async(
                topic_name=topic, qos=QOS.AT_LEAST_ONCE, payload=payload
            )
            done.result(_TIMEOUT_SECONDS)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection up."""
        client, self._client = self._client, None
        if client is not None:
            try:
                client.close()
            except Exception:
                logger.exception("the IPC connection did not close")
