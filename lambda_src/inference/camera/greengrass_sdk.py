"""Publishing through `greengrasssdk`, as the software of an AWS DeepLens does."""

from typing import Any

from camera.errors import PublishError


class GreengrassSdkPublisher:
    """Publishes through the core's message router.

    Source: greengrasssdk 1.6.1, `IoTDataPlane.publish(topic, payload, queueFullPolicy)`.
    """

    def __init__(self) -> None:
        self._client: Any = None

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message to the core's router.

        Raises:
            PublishError: the software is not there, or the router did not take the message.
        """
        try:
            if self._client is None:
                # Only a core with the legacy runtime has what it needs.
                import greengrasssdk  # noqa: PLC0415 - see above

                self._client = greengrasssdk.client("iot-data")
            # A full queue is an error: the spool keeps the message, the router would lose it.
            self._client.publish(topic=topic, payload=payload, queueFullPolicy="AllOrException")
        except Exception as error:
            self._client = None
            text = f"{type(error).__name__}: {error}"
            raise PublishError(f"{topic}: greengrasssdk did not take it: {text}") from error

    def close(self) -> None:
        """Do nothing: each message has its own connection to the router."""
