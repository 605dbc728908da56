"""Components' subscriptions: several may have the same topic, the device has one to the cloud."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from local_aws.core_device.connection import Connection

if TYPE_CHECKING:
    from local_aws.core_device.ipc import Cancel, Deliver


class Subscriptions:
    """Hands each message to every component that asked for its topic filter."""

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self._delivers: dict[str, list[Deliver]] = {}
        self._delivering: set[asyncio.Task[None]] = set()

    async def add(self, topic_filter: str, deliver: "Deliver") -> "Cancel":
        """Deliver from now on; return what ends it."""
        first = topic_filter not in self._delivers
        self._delivers.setdefault(topic_filter, []).append(deliver)
        if first:
            receive = self._receiver(topic_filter)
            try:
                await asyncio.to_thread(self._connection.listen, topic_filter, receive)
            except BaseException:
                del self._delivers[topic_filter]
                raise

        def cancel() -> None:
            self._delivers[topic_filter].remove(deliver)

        return cancel

    def _receiver(self, topic_filter: str) -> Callable[[str, bytes], None]:
        def receive(topic: str, payload: bytes) -> None:
            self._loop.call_soon_threadsafe(self._hand_on, topic_filter, topic, payload)

        return receive

    def _hand_on(self, topic_filter: str, topic: str, payload: bytes) -> None:
        for deliver in list(self._delivers[topic_filter]):
            task = self._loop.create_task(_delivered(deliver, topic, payload))
            self._delivering.add(task)
            task.add_done_callback(self._delivering.discard)


async def _delivered(deliver: "Deliver", topic: str, payload: bytes) -> None:
    try:
        await deliver(topic, payload)
    except ConnectionError:
        # The component went; its connection's end cancels the subscription.
        return
