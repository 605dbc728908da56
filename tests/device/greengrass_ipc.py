"""A Greengrass IPC socket for one component that records the published messages."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.core_device.ipc import Cancel, Deliver, IpcServer, Refused
from tests.waiting import HANG_SECONDS

TOKEN = "token-of-the-inference-component"


class Core:
    """The messages that reached the core: topic, payload and QoS, in order."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.published: list[tuple[str, bytes, int]] = []
        self.refused_topics: set[str] = set()
        self.failures = 0
        self.answers = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._delivers: dict[str, Deliver] = {}

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a component requires to connect."""
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

    async def take(self, _component: str, topic: str, payload: bytes, qos: int) -> None:
        if not self.answers:
            await asyncio.Event().wait()
        if topic in self.refused_topics:
            raise Refused(f"{topic} is not allowed")
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the spool is full")
        self.published.append((topic, payload, qos))

    async def listen(self, _component: str, topic: str, _qos: int, deliver: Deliver) -> Cancel:
        if topic in self.refused_topics:
            raise Refused(f"{topic} is not allowed")
        self._loop = asyncio.get_running_loop()
        self._delivers[topic] = deliver
        return lambda: self._delivers.pop(topic, None) and None

    def hears(self, topic: str) -> bool:
        """Return true if a component has subscribed to the topic."""
        return topic in self._delivers

    def say(self, topic: str, document: Any) -> None:
        """Deliver a message from the cloud to the subscriber of its topic."""
        assert self._loop
        payload = document if isinstance(document, bytes) else json.dumps(document).encode()
        delivered = self._delivers[topic](topic, payload)
        asyncio.run_coroutine_threadsafe(_awaited(delivered), self._loop).result(HANG_SECONDS)


async def _awaited(delivered: Awaitable[None]) -> None:
    await delivered


async def _settled() -> None:
    """Wait until connections that were accepted before the end are closed."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    # A transport closes in a later iteration of the loop.
    for _ in range(2):
        await asyncio.sleep(0)


@contextmanager
def serving(core: Core) -> Iterator[None]:
    """Serve `core` from a thread during the `with` block; close all connections after it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> IpcServer:
        server = IpcServer(core.take, core.listen)
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
        loop.run_until_complete(_settled())
        loop.close()
        core.socket.unlink(missing_ok=True)
