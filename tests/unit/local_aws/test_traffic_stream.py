"""The traffic stream contains a device's requests, including those to S3."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from local_aws.account_region import Scope
from local_aws.authorization.caller import Caller, set_caller
from local_aws.transcripts.traffic import PATH, Traffic, TrafficStream

pytestmark = pytest.mark.unit

SCOPE = Scope("111111111111", "eu-central-1")
ROOT = Caller(SCOPE.account, f"arn:aws:iam::{SCOPE.account}:root", SCOPE.account)
SESSION = Caller(
    SCOPE.account, f"arn:aws:sts::{SCOPE.account}:assumed-role/devices/x", "ASIADEVICE"
)
HEADERS = "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"


def authorization(service: str = "s3") -> str:
    return (
        f"AWS4-HMAC-SHA256 Credential=ASIADEVICE/20261130/eu-central-1/{service}/aws4_request,"
        f" SignedHeaders={HEADERS}, Signature=abc"
    )


def request(path: str, host: str, signed: str, method: str = "GET", query: str = "") -> Any:
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", host.encode()), (b"authorization", signed.encode())],
    }  # fmt: skip


async def served(_scope: Any, _receive: Any, send: Any) -> None:
    """Respond to a request with an object."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"object"})


def answers(traffic: Traffic, caller: Caller | None, scope: Any, leave: Any = None) -> list[Any]:
    """Return the messages that the application sends in response to a caller's request."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await leave.wait()
        return {"type": "http.disconnect"}

    async def work() -> None:
        set_caller(caller)
        await TrafficStream(served, traffic)(scope, receive, send)

    asyncio.run(work())
    return sent


def events_of(scope: Any, prepare: Callable[[Traffic], None] | None = None) -> list[Any]:
    """Return camera-1's events for a request that camera-1's session has signed."""
    traffic = Traffic()
    if prepare is None:
        traffic.remember_session("ASIADEVICE", SCOPE, "camera-1")
    else:
        prepare(traffic)
    with traffic.follow(SCOPE, "camera-1") as queue:
        assert answers(traffic, SESSION, scope)[0]["status"] == 200
        return [queue.get_nowait() for _ in range(queue.qsize())]


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/deeplens-dev/components/a%20b/model.zip", "127.0.0.1:4566"),
        ("/components/a%20b/model.zip", "deeplens-dev.s3.localhost:4566"),
        ("/components/a%20b/model.zip", "deeplens-dev.s3.eu-central-1.amazonaws.com"),
    ],
)
def test_a_download_of_a_device_is_reported_with_its_response(path: str, host: str) -> None:
    assert events_of(request(path, host, authorization())) == [
        {
            "from": "device", "s3": "GET", "bucket": "deeplens-dev",
            "key": "components/a b/model.zip", "signed_headers": HEADERS,
        },
        {"from": "cloud", "s3": 200},
    ]  # fmt: skip


def test_other_requests_are_not_reported() -> None:
    path, host = "/deeplens-dev/key", "127.0.0.1:4566"
    assert events_of(request(path, host, authorization("sts"))) == []
    assert events_of(request(path, host, authorization()), lambda _: None) == []

    def of_another(traffic: Traffic) -> None:
        traffic.remember_session("ASIADEVICE", SCOPE, "camera-2")

    assert events_of(request(path, host, authorization()), of_another) == []


@pytest.mark.parametrize("caller", [None, SESSION])
def test_only_root_receives_the_stream(caller: Caller | None) -> None:
    scope = request(PATH, "127.0.0.1:4566", "", query="thing=camera-1&region=eu-central-1")
    start, body = answers(Traffic(), caller, scope)
    assert start["status"] == 403
    assert "expected root" in json.loads(body["body"])["message"]


@pytest.mark.parametrize("query", ["", "thing=camera-1", "region=eu-central-1"])
def test_the_stream_needs_a_device_and_a_region(query: str) -> None:
    start, body = answers(Traffic(), ROOT, request(PATH, "127.0.0.1:4566", "", query=query))
    assert start["status"] == 400
    assert "parameters thing and region" in json.loads(body["body"])["message"]


def test_the_stream_ends_when_its_reader_leaves_and_nothing_is_stored() -> None:
    traffic = Traffic()

    async def work() -> list[Any]:
        set_caller(ROOT)
        left, sent = asyncio.Event(), []

        async def receive() -> Any:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if b"connect" in message.get("body", b""):
                left.set()
                # An event wakes the stream, which then detects that the reader has disconnected.
                traffic.add(SCOPE, "camera-1", {"from": "operator", "do": "end"})

        scope = request(PATH, "127.0.0.1:4566", "", query="thing=camera-1&region=eu-central-1")
        stream = asyncio.create_task(TrafficStream(served, traffic)(scope, receive, send))
        while not traffic.followed(SCOPE):  # noqa: ASYNC110 - the stream sets no event
            await asyncio.sleep(0)
        event = {"from": "device", "mqtt": "connect", "version": 5, "client_id": "camera-1"}
        traffic.add(SCOPE, "camera-1", event)
        traffic.add(SCOPE, "camera-2", event)
        await stream
        return sent

    lines = b"".join(message.get("body", b"") for message in asyncio.run(work())).split(b"\n")
    received = [json.loads(line) for line in lines if line]
    assert received[0] == {
        "from": "device",
        "mqtt": "connect",
        "version": 5,
        "client_id": "${thing}",
    }
    assert traffic.followed(SCOPE) == []
