"""The traffic of followed devices, and its stream of JSON lines for the account's root."""

import asyncio
import contextlib
import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import parse_qs, unquote

from local_aws.account_region import Scope
from local_aws.authorization.caller import current_caller
from local_aws.transcripts.generalizing import Generalizer

Event = dict[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

PATH = "/_local_aws/device-traffic"
_S3_SCOPE = re.compile(r"Credential=[^/]+/[0-9]+/(?P<region>[^/]+)/s3/aws4_request")
_SIGNED_HEADERS = re.compile(r"SignedHeaders=(?P<names>[^, ]+)")
_BUCKET_HOST = re.compile(r"(?P<bucket>[a-z0-9.-]+)\.s3\..+")
_SILENCE_SECONDS = 1.0

# The maximum number of stored sessions. At this number, the oldest session has expired, because
# sessions of devices expire after one hour.
_MOST_SESSIONS = 10_000


class Traffic:
    """The queues that forward events of followed devices; events are not stored."""

    def __init__(self) -> None:
        self._queues: dict[tuple[Scope, str], list[asyncio.Queue[Event]]] = {}
        self._sessions: OrderedDict[str, tuple[Scope, str]] = OrderedDict()

    @contextlib.contextmanager
    def follow(self, scope: Scope, thing: str) -> Iterator[asyncio.Queue[Event]]:
        """Yield a queue of a device's events until the context ends."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        queues = self._queues.setdefault((scope, thing), [])
        queues.append(queue)
        try:
            yield queue
        finally:
            queues.remove(queue)
            if not queues:
                del self._queues[scope, thing]

    def followed(self, scope: Scope) -> list[str]:
        """Return the followed devices of an account and Region."""
        return [thing for followed, thing in self._queues if followed == scope]

    def add(self, scope: Scope, thing: str, *events: Event) -> None:
        """Put events into the queues of a device's followers."""
        for queue in self._queues.get((scope, thing), []):
            for event in events:
                queue.put_nowait(event)

    def remember_session(self, access_key_id: str, scope: Scope, thing: str) -> None:
        """Store the device of a token exchange session, by the session's access key."""
        self._sessions[access_key_id] = (scope, thing)
        if len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)

    def owner_of(self, access_key_id: str) -> tuple[Scope, str] | None:
        """Return the device of an access key; None if the key does not belong to a session."""
        return self._sessions.get(access_key_id)


class TrafficStream:
    """An ASGI application that serves the stream and forwards other requests.

    The application reports the S3 requests that devices sign.
    """

    def __init__(self, application: Application, traffic: Traffic) -> None:
        self._application = application
        self._traffic = traffic

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request that the filter has verified."""
        if scope["type"] == "http" and scope["path"] == PATH:
            await self._stream(scope, receive, send)
        elif scope["type"] == "http":
            await self._application(scope, receive, self._reporting(scope, send))
        else:
            await self._application(scope, receive, send)

    async def _stream(self, scope: Message, receive: Receive, send: Send) -> None:
        caller = current_caller()
        if caller is None or not caller.arn.endswith(":root"):
            principal = "An anonymous caller" if caller is None else caller.arn
            await _respond(
                send, 403, f"{principal} is not authorized to follow devices: expected root."
            )
            return
        query = parse_qs(scope["query_string"].decode("latin-1"))
        thing, region = (query.get(name, [""])[0] for name in ("thing", "region"))
        if scope["method"] != "GET" or not thing or not region:
            await _respond(send, 400, "Expected GET with the parameters thing and region.")
            return
        generalizer = Generalizer(thing=thing, account=caller.account, region=region)
        disconnected = asyncio.create_task(_disconnected(receive))
        with self._traffic.follow(Scope(caller.account, region), thing) as events:
            await send({
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/x-ndjson")],
            })  # fmt: skip
            await _write(send, "\n")
            while not disconnected.done():
                try:
                    async with asyncio.timeout(_SILENCE_SECONDS):
                        event = await events.get()
                except TimeoutError:
                    # An empty line shows that the emulator runs while the device sends nothing.
                    await _write(send, "\n")
                    continue
                for pattern in generalizer.patterns(event):
                    await _write(send, json.dumps(pattern) + "\n")

    def _reporting(self, scope: Message, send: Send) -> Send:
        """Return a `send` function that also reports a device's S3 request and its response."""
        caller = current_caller()
        owner = self._traffic.owner_of(caller.access_key_id) if caller else None
        headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
        authorization = headers.get("authorization", b"").decode("latin-1")
        if owner is None or owner[1] not in self._traffic.followed(owner[0]):
            return send
        if not _S3_SCOPE.search(authorization):
            return send
        request = _s3_request(scope, headers.get("host", b"").decode("latin-1"), authorization)

        async def send_and_report(message: Message) -> None:
            if message["type"] == "http.response.start":
                response = {"from": "cloud", "s3": message["status"]}
                self._traffic.add(*owner, request, response)
            await send(message)

        return send_and_report


def _s3_request(scope: Message, host: str, authorization: str) -> dict[str, Any]:
    path = unquote(scope["raw_path"].decode("latin-1")).removeprefix("/")
    virtual = _BUCKET_HOST.fullmatch(host)
    bucket, key = (virtual["bucket"], path) if virtual else path.partition("/")[::2]
    signed = _SIGNED_HEADERS.search(authorization)
    return {
        "from": "device",
        "s3": scope["method"],
        "bucket": bucket,
        "key": key,
        "signed_headers": signed["names"] if signed else "",
    }


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _respond(send: Send, status: int, message: str) -> None:
    await send({
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", b"application/json")],
    })  # fmt: skip
    body = json.dumps({"message": message}).encode()
    await send({"type": "http.response.body", "body": body, "more_body": False})
