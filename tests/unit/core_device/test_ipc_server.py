"""The IPC server closes all connections when it stops."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from local_aws.core_device.ipc import IpcServer


async def nothing(*_: Any) -> Any:
    """Do nothing for any operation."""


async def connected(server: IpcServer, ours: socket.socket) -> None:
    """Pass a connection to the server as its listening socket does."""
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    server._connected(reader, writer)  # noqa: SLF001 - the test replaces the listening socket


async def stopped_before_it_was_read(server: IpcServer, ours: socket.socket) -> None:
    await connected(server, ours)
    await server.stop()


async def accepted_while_it_stops(server: IpcServer, ours: socket.socket) -> None:
    await server.stop()
    await connected(server, ours)


async def stopped_while_it_waits(server: IpcServer, ours: socket.socket) -> None:
    await connected(server, ours)
    for _ in range(10):
        await asyncio.sleep(0)
    await server.stop()


@pytest.mark.parametrize(
    "course", [stopped_before_it_was_read, accepted_while_it_stops, stopped_while_it_waits]
)
def test_a_connection_ends_with_the_server(
    course: Callable[[IpcServer, socket.socket], Any],
) -> None:
    theirs, ours = socket.socketpair(socket.AF_UNIX)

    async def run() -> bytes:
        await course(IpcServer(nothing, nothing), ours)
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        try:
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    assert asyncio.run(run()) == b""
    assert ours.fileno() == -1
