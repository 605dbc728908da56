"""The server rejects requests from pages of other sites.

A client that disconnects early or sends an invalid request adds at most one line to the log.
"""

import asyncio
import logging
from collections.abc import Mapping

import pytest
from aiohttp import ClientSession, web

from model_tools.serving.http_server import CONNECTIONS, Listener, _runner
from model_tools.serving.http_types import json_response

MODEL = Listener(lambda *_: json_response({"predictions": [1]}), 0)
CONTAINER = Listener(lambda *_: json_response({"predictions": [1]}), 0, any_host=True)
GZIP = (
    "POST / HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Encoding: gzip\r\n"
    "Content-Length: 2\r\n\r\nab"
)
OTHER_LOOPBACK = Listener(lambda *_: json_response({"predictions": [1]}), 0, host="::1")
EVERYWHERE = Listener(lambda *_: json_response({"predictions": [1]}), 0, host="0.0.0.0")  # noqa: S104 - the test does not listen


async def listening(listener: Listener) -> tuple[web.AppRunner, int]:
    runner = _runner(listener)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, runner.addresses[0][1]


def status(listener: Listener, headers: Mapping[str, str]) -> int:
    """Return the status of a request; the server's port replaces PORT in header values."""

    async def ask() -> int:
        runner, port = await listening(listener)
        sent = {name: value.replace("PORT", str(port)) for name, value in headers.items()}
        async with (
            ClientSession() as session,
            session.post(f"http://127.0.0.1:{port}/v1/models/x:predict", headers=sent) as answer,
        ):
            found = answer.status
            assert not [name for name in answer.headers if name.lower().startswith("access-")]
        await runner.cleanup()
        return found

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("listener", "headers", "expected"),
    [
        (MODEL, {}, 200),
        (MODEL, {"Host": "localhost:PORT"}, 200),
        (MODEL, {"Origin": "http://127.0.0.1:PORT"}, 200),
        (MODEL, {"Host": "evil.example:PORT"}, 403),
        (MODEL, {"Host": "evil.example:PORT", "Origin": "http://evil.example:PORT"}, 403),
        (MODEL, {"Host": "127.0.0.1"}, 403),
        (OTHER_LOOPBACK, {"Host": "[::1]:PORT"}, 200),
        (OTHER_LOOPBACK, {"Host": "evil.example:PORT"}, 403),
        (MODEL, {"Origin": "https://evil.example", "Content-Type": "text/plain"}, 403),
        (MODEL, {"Origin": "null"}, 403),
        (CONTAINER, {"Host": "model.aws.local"}, 200),
        (CONTAINER, {"Host": "evil.example:PORT", "Origin": "http://evil.example:PORT"}, 403),
        (EVERYWHERE, {"Host": "server.example"}, 200),
        (EVERYWHERE, {"Host": "server.example", "Origin": "http://evil.example"}, 403),
    ],
)
def test_requests_of_other_sites_pages_are_rejected(
    listener: Listener, headers: dict[str, str], expected: int
) -> None:
    assert status(listener, headers) == expected


@pytest.mark.parametrize(
    "text",
    [
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 100\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        GZIP,
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "GET /" + "a" * 20_000 + " HTTP/1.1\r\n\r\n",
        "GET / HT",
    ],
)
def test_a_client_that_disconnects_or_sends_nonsense_adds_at_most_one_log_line(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def disturb() -> None:
        runner, port = await listening(MODEL)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text.replace("PORT", str(port)).encode())
        await writer.drain()
        # An unfinished request has no response, because the client disconnects abruptly.
        with_response = "Content-Length: 100" not in text and not text.endswith("HT")
        if with_response:
            await reader.read()
        writer.transport.abort()
        async with ClientSession() as session:  # the server must still respond
            assert (await session.get(f"http://127.0.0.1:{port}/")).status == 200
        await runner.cleanup()

    with caplog.at_level(logging.INFO):
        asyncio.run(disturb())
    assert len(caplog.records) <= 1, caplog.text
    assert "Traceback" not in caplog.text
    assert all(record.name == CONNECTIONS.name for record in caplog.records)
