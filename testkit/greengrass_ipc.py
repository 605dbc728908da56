"""A double of Greengrass IPC for one component, which records published messages."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.core_device.ipc import Cancel, Deliver, IpcServer, Unauthorized
from testkit.waiting import HANG_SECONDS

TOKEN = "token-of-the-inference-component"


class Core:
    """A core that records the topic, payload and QoS of each published message, in order."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.published: list[tuple[str, bytes, int]] = []
        self.refused_topics: set[str] = set()
        self.failures = 0
        self.answers = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscribers: dict[str, Deliver] = {}

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which a component connects."""
        return {
            "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(self.socket),
            "SVCUID": TOKEN,
        }

    def reported(self) -> list[dict[str, Any]]:
        """Return the reported states of the heartbeats, in order."""
        return [
            json.loads(payload)["state"]["reported"]
            for topic, payload, _ in self.published
            if topic.endswith("/shadow/name/deeplens/update")
        ]

    def messages(self) -> list[dict[str, Any]]:
        """Return the detection and error messages, in order."""
        return [
            json.loads(payload)
            for topic, payload, _ in self.published
            if not topic.startswith("$aws/")
        ]

    async def receive(self, _component: str, topic: str, payload: bytes, qos: int) -> None:
        """Record a message, or fail as configured."""
        if not self.answers:
            await asyncio.Event().wait()
        if topic in self.refused_topics:
            raise Unauthorized(f"{topic} is not allowed")
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the spool is full")
        self.published.append((topic, payload, qos))

    async def subscribe(self, _component: str, topic: str, _qos: int, deliver: Deliver) -> Cancel:
        """Add a subscription; return the function that cancels it."""
        if topic in self.refused_topics:
            raise Unauthorized(f"{topic} is not allowed")
        self._loop = asyncio.get_running_loop()
        self._subscribers[topic] = deliver
        return lambda: self._subscribers.pop(topic, None) and None

    def has_subscriber(self, topic: str) -> bool:
        """Return true if a component has subscribed to the topic."""
        return topic in self._subscribers

    def deliver(self, topic: str, document: Any) -> None:
        """Deliver a message from the cloud to the subscriber of its topic."""
        assert self._loop
        payload = document if isinstance(document, bytes) else json.dumps(document).encode()
        delivered = self._subscribers[topic](topic, payload)
        asyncio.run_coroutine_threadsafe(_as_coroutine(delivered), self._loop).result(HANG_SECONDS)


async def _as_coroutine(delivered: Awaitable[None]) -> None:
    await delivered


async def _wait_for_connections() -> None:
    """Wait until the connections that the stopped server had accepted are closed."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    # The event loop closes a transport in a later iteration.
    for _ in range(2):
        await asyncio.sleep(0)


@contextmanager
def serving(core: Core) -> Iterator[None]:
    """Serve `core` in a thread during the `with` block, and then close all connections."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> IpcServer:
        server = IpcServer(core.receive, core.subscribe)
        server.admit(TOKEN, "deeplens.test.inference")
        await server.start(core.socket)
        return server

    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(HANG_SECONDS)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(HANG_SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(HANG_SECONDS)
        loop.run_until_complete(_wait_for_connections())
        loop.close()
        core.socket.unlink(missing_ok=True)
