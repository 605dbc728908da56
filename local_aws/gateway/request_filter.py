"""The filter of requests to the HTTP endpoint, before the emulator's services.

A web page in a developer's browser can send requests to loopback. Therefore, the filter requires a
request without `Origin`, with the `Host` of the listener, and with a signature by a key that the
emulator issued.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from local_aws import json_text
from local_aws.authorization.caller import Caller, set_caller
from local_aws.gateway import rejection_responses
from local_aws.gateway.signature_v4 import (
    S3,
    AccessKey,
    Fault,
    HttpRequest,
    RequestRejected,
    Signature,
    check_signature,
    check_time,
    check_token,
    read_signature,
)
from local_aws.service_protocol import Response

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# The largest request of the services other than S3 contains a Lambda function of 50 MB in base64.
LARGEST_REQUEST_BYTES = 70 << 20
# The maximum size of an S3 request. S3 allows 5 GiB, but the emulator keeps request bodies in
# memory. AWS SDKs upload larger objects in parts.
LARGEST_OBJECT_BYTES = 1 << 30
LARGEST_CALLBACK_BYTES = 1 << 20
_LARGE_BODY_BYTES = 1 << 20
_LOGGED_CHARACTERS = 200
# Paths of the URLs that CloudFormation passes to functions. Each URL contains an unguessable token.
_CALLBACK = re.compile(r"/_ministack/(cfn-response|cfn-signal)/[A-Za-z0-9._-]+")
# Paths of ministack's own routes. Bucket names contain no underscores, so only requests for a
# bucket with the name `health` have such a path.
_OWN_ROUTES = re.compile(r"/_(ministack|localstack)(/.*)?|/health", re.DOTALL)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Directory:
    """The lookups that the filter needs: access keys, and the existence of buckets."""

    access_key: Callable[[str], AccessKey | None]
    bucket_exists: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Listener:
    """The hosts and APIs that one port accepts.

    Host names of buckets match ``bucket_host``. Error messages contain ``expected``, the valid
    names.
    """

    names: frozenset[str]
    bucket_host: re.Pattern[str]
    expected: str
    only_s3: bool = False


def loopback_listener(port: int) -> Listener:
    """Return the listener of a loopback port, which accepts all AWS APIs."""
    names = {f"127.0.0.1:{port}", f"localhost:{port}"}
    return Listener(
        frozenset(names),
        re.compile(rf"(?P<bucket>[a-z0-9.-]+)\.localhost:{port}"),
        " or ".join(sorted(names)),
    )


def s3_listener(port: int) -> Listener:
    """Return the listener of S3 for devices, which use ``port`` or a forwarded port 443."""
    return Listener(
        frozenset(),
        re.compile(
            r"(?P<bucket>[a-z0-9-]+)\.s3(\.[a-z]{2}(-[a-z]+)+-[0-9])?\.amazonaws\.com"
            rf"(:443|:{port})?"
        ),
        "BUCKET.s3.REGION.amazonaws.com of a bucket that exists",
        only_s3=True,
    )


class RequestFilter:
    """An ASGI application that forwards only verified requests to another application."""

    def __init__(self, application: Application, listener: Listener, directory: Directory) -> None:
        self._application = application
        self._listener = listener
        self._directory = directory

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._application(scope, receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        request, incoming = _http_request(scope), _Incoming(receive)
        service = S3 if self._listener.only_s3 else None
        try:
            try:
                self._check_address(request)
                if self._is_callback(request):
                    set_caller(None)
                    body = await incoming.read(LARGEST_CALLBACK_BYTES)
                else:
                    signature = read_signature(request)
                    self._check_service(signature)
                    service = signature.service
                    key = self._check_signer(signature)
                    body = await incoming.read(_largest(service))
                    await _check_body(request, body, signature, key)
                    set_caller(Caller(key.account, key.arn, signature.access_key_id))
            except RequestRejected as rejected:
                shown = f"{request.method} {request.path[:_LOGGED_CHARACTERS]!r}"
                logger.warning("rejected %s (%s)", shown, rejected.fault.name)
                await incoming.discard()
                await _send(send, rejection_responses.response(request, service, rejected))
                return
        except _Disconnected:
            return
        await self._application(
            self._for_services(scope, request), _replay(body, receive), _without_cors(send)
        )

    def _for_services(self, scope: Message, request: HttpRequest) -> Message:
        """Return the scope with ministack's form of a bucket's host name.

        The host BUCKET.localhost becomes BUCKET.s3.localhost. Other host names do not change.
        """
        is_virtual = self._listener.bucket_host.fullmatch(request.headers["host"])
        if not is_virtual:
            return scope
        host = request.headers["host"].replace(".localhost:", ".s3.localhost:")
        others = [(name, value) for name, value in scope["headers"] if name.lower() != b"host"]
        return {**scope, "headers": [*others, (b"host", host.encode())]}

    def _check_address(self, request: HttpRequest) -> None:
        """Check `Origin` and `Host`, which identify requests from web pages, and the path."""
        if "origin" in request.headers:
            raise RequestRejected(
                Fault.CROSS_ORIGIN,
                "A request with an Origin is from a web page: the emulator serves no web pages.",
            )
        host = request.headers.get("host", "")
        virtual = self._listener.bucket_host.fullmatch(host)
        if host not in self._listener.names and not (
            virtual and self._directory.bucket_exists(virtual["bucket"])
        ):
            raise RequestRejected(
                Fault.HOST,
                f"{host!r} is not a host name of the emulator: expected {self._listener.expected}.",
            )
        own_route = _OWN_ROUTES.fullmatch(unquote(request.path))
        if own_route and (self._listener.only_s3 or not _CALLBACK.fullmatch(request.path)):
            raise RequestRejected(
                Fault.ROUTE, f"{request.path[:_LOGGED_CHARACTERS]!r} is not an AWS API."
            )

    def _is_callback(self, request: HttpRequest) -> bool:
        """Return whether a token of CloudFormation, not a signature, authorizes the request."""
        is_put = request.method == "PUT" and not self._listener.only_s3
        return is_put and _CALLBACK.fullmatch(request.path) is not None

    def _check_service(self, signature: Signature) -> None:
        if self._listener.only_s3 and signature.service != S3:
            raise RequestRejected(
                Fault.ROUTE,
                f"This port serves S3 only: the request is signed for {signature.service!r}.",
            )

    def _check_signer(self, signature: Signature) -> AccessKey:
        key = self._directory.access_key(signature.access_key_id)
        if key is None:
            raise RequestRejected(
                Fault.UNKNOWN_KEY,
                f"The access key {signature.access_key_id!r} does not exist: expected an account's"
                " number (12 digits), or a key that STS or the IoT credentials provider issued"
                " since the emulator started.",
            )
        now = dt.datetime.now(dt.UTC)
        check_time(signature, now)
        check_token(signature, key, now)
        return key


class _Disconnected(Exception):  # noqa: N818 - not an error of the emulator
    """Raised if a client disconnects before its request is complete."""


async def _check_body(
    request: HttpRequest, body: bytes, signature: Signature, key: AccessKey
) -> None:
    def check() -> None:
        check_signature(request, body, signature, key)
        if signature.service != S3 and json_text.depth(body) > json_text.DEEPEST:
            raise RequestRejected(
                Fault.TOO_DEEP,
                f"The request's JSON is nested more than {json_text.DEEPEST} levels deep.",
            )

    if len(body) < _LARGE_BODY_BYTES:
        check()
    else:
        await asyncio.to_thread(check)


def _http_request(scope: Message) -> HttpRequest:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), _decode(raw_value)
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return HttpRequest(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
    )


def _decode(value: bytes) -> str:
    with contextlib.suppress(UnicodeDecodeError):
        return value.decode()
    return value.decode("latin-1")


def _largest(service: str) -> int:
    return LARGEST_OBJECT_BYTES if service == S3 else LARGEST_REQUEST_BYTES


class _Incoming:
    """The body of a request, which can be read once."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True

    async def read(self, largest: int) -> bytes:
        """Read the complete body.

        Raises:
            RequestRejected: the body has more than ``largest`` bytes.
            _Disconnected: the client disconnected early.
        """
        parts, size = [], 0
        while self._more:
            parts.append(await self._next())
            size += len(parts[-1])
            if size > largest:
                raise RequestRejected(
                    Fault.TOO_LARGE, f"The request has more than {largest} bytes, its limit."
                )
        return b"".join(parts)

    async def discard(self) -> None:
        """Read the rest of the request, up to a limit.

        Most clients read the response only after they have sent the complete request.
        """
        size = 0
        while self._more and size < LARGEST_REQUEST_BYTES:
            size += len(await self._next())

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            raise _Disconnected
        self._more = message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replayed() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return replayed


def _without_cors(send: Send) -> Send:
    async def send_without(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                (name, value)
                for name, value in message.get("headers", [])
                if not name.lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": headers}
        await send(message)

    return send_without


async def _send(send: Send, response: Response) -> None:
    headers = {**response.headers, "Content-Length": str(len(response.body))}
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": response.body, "more_body": False})
