"""The request filter passes only permitted requests to the application."""

import asyncio
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_aws.authorization.caller import Caller, current_caller
from local_aws.gateway.request_filter import (
    Directory,
    Listener,
    RequestFilter,
    loopback_listener,
    s3_listener,
)
from local_aws.gateway.signature_v4 import AccessKey

ACCOUNT = "111111111111"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
HOST = "127.0.0.1:4566"


class Services:
    """An application that records its requests, and responds with CORS headers like ministack."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.callers: list[Caller | None] = []

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        self.bodies.append((await receive())["body"])
        self.callers.append(current_caller())
        headers = [(b"Access-Control-Allow-Origin", b"*"), (b"x-amzn-requestid", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def call(
    services: Services, headers: dict[str, str], *bodies: bytes, method: str = "POST",
    path: str = "/", listener: Listener = loopback_listener(4566),  # noqa: B008 - the default is immutable
) -> tuple[int, dict[str, str], bytes]:  # fmt: skip
    directory = Directory(
        lambda key: AccessKey(ACCOUNT, ROOT, "secret") if key == ACCOUNT else None,
        lambda bucket: bucket == "models",
    )
    parts = list(bodies) or [b""]
    waiting = [
        {"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0)  # a waiting client sends no more messages

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "raw_path": path.encode(), "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(RequestFilter(services, listener, directory)(scope, receive, send))
    start, body = sent
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], found, body["body"]


def signed(
    body: bytes = b"{}", *, host: str = HOST, key: str = ACCOUNT, path: str = "/",
    service: str = "logs",
) -> Any:  # fmt: skip
    made = AWSRequest("POST", f"http://{host}{path}", {"x-amz-target": "A.B", "host": host}, body)
    SigV4Auth(Credentials(key, "secret"), service, "eu-central-1").add_auth(made)
    return dict(made.headers.items())


def test_a_signed_request_passes_whole_with_its_caller_and_without_cors() -> None:
    services = Services()
    status, headers, _ = call(services, signed(b'{"a": 1}'), b'{"a"', b": 1}")
    assert status == 200
    assert services.bodies == [b'{"a": 1}']
    assert services.callers == [Caller(ACCOUNT, ROOT, ACCOUNT)]
    assert headers == {"x-amzn-requestid": "1"}


@pytest.mark.parametrize("host", [HOST, "localhost:4566", "models.localhost:4566"])
def test_the_names_of_the_emulator_are_accepted(host: str) -> None:
    assert call(Services(), signed(host=host), b"{}")[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example:4566", "127.0.0.1", "localhost", "127.0.0.1:80", "other.localhost:4566",
     "127.0.0.1.evil.example:4566", "", "models.localhost:4566.evil.example"],
)  # fmt: skip
def test_a_rebound_name_is_refused_whoever_signed(host: str) -> None:
    services = Services()
    status, headers, body = call(services, signed(host=host), b"{}")
    assert (status, headers["x-amzn-ErrorType".lower()]) == (400, "AccessDeniedException")
    assert b"127.0.0.1:4566 or localhost:4566" in body
    assert services.bodies == []


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"http://{HOST}", ""])
def test_an_origin_is_refused_even_with_a_signature(origin: str) -> None:
    services = Services()
    status, headers, _ = call(services, {**signed(), "origin": origin}, b"{}")
    assert status == 400
    assert not [name for name in headers if name.startswith("access-control")]
    assert services.bodies == []


@pytest.mark.parametrize(
    "path", ["/_ministack/reset", "/_ministack/config", "/_ministack/cfn-response/", "/health",
             "/_localstack/health", "/_ministack/cfn-response/x/../../reset",
             "/%5Fministack/reset"],
)  # fmt: skip
def test_administrative_routes_do_not_exist(path: str) -> None:
    services = Services()
    assert call(services, signed(path=path), b"{}", path=path)[0] == 400
    assert services.bodies == []


def test_a_bucket_may_be_called_like_a_part_of_a_route() -> None:
    for path in ("/healthy/key", "/health/key", "/ministack"):
        assert call(Services(), signed(path=path), b"{}", path=path)[0] == 200


def test_only_cloudformations_callback_passes_unsigned() -> None:
    services, path = Services(), "/_ministack/cfn-response/0f3c"
    assert call(services, {"host": HOST}, b"{}", method="PUT", path=path)[0] == 200
    assert call(services, {"host": HOST}, b"{}", method="POST", path=path)[0] == 403
    assert call(services, {"host": "evil:4566"}, b"{}", method="PUT", path=path)[0] == 403
    assert services.callers == [None]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x-amz-target": "A.B"}, 400, b'"MissingAuthenticationTokenException"'),
        ({"content-type": "application/json"}, 403, b'"MissingAuthenticationTokenException"'),
        ({"content-type": "application/x-www-form-urlencoded"}, 403,
         b"<Code>MissingAuthenticationToken</Code>"),
        ({"content-type": "text/plain"}, 403, b"<Code>AccessDenied</Code>"),
    ],
)  # fmt: skip
def test_an_unsigned_request_is_refused_as_its_protocol_has_it(
    headers: dict[str, str], status: int, code: bytes
) -> None:
    found = call(Services(), {"host": HOST, **headers}, b"x")
    assert found[0] == status
    assert code in found[2]


def test_an_unknown_key_is_refused_before_its_body_is_read() -> None:
    status, _, body = call(Services(), signed(key="AKIDEXAMPLE"), b"{}")
    assert (status, b"UnrecognizedClientException" in body) == (400, True)


def test_a_request_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_aws.gateway.request_filter.LARGEST_REQUEST_BYTES", 3)
    services = Services()
    status, _, body = call(services, signed(b"1234"), b"12", b"34")
    assert (status, b"RequestEntityTooLarge" in body) == (413, True)
    assert services.bodies == []


def test_json_that_is_nested_too_deeply_is_no_request() -> None:
    services, deep = Services(), b"[" * 100_000
    status, _, body = call(services, signed(deep), deep)
    assert (status, b"SerializationException" in body) == (400, True)
    assert services.bodies == []


S3_HOST = "models.s3.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    "host", [S3_HOST, f"{S3_HOST}:443", f"{S3_HOST}:9443", "models.s3.amazonaws.com"]
)
def test_the_listener_of_s3_accepts_the_host_names_of_buckets(host: str) -> None:
    headers = signed(host=host, service="s3")
    assert call(Services(), headers, b"{}", listener=s3_listener(9443))[0] == 200


@pytest.mark.parametrize(
    "host",
    ["other.s3.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com", "localhost:9443",
     "models.s3.eu-central-1.amazonaws.com:9444", "models.s3.evil.amazonaws.com", HOST, "",
     "models.s3.eu-central-1.amazonaws.com.evil.example", "a.models.s3.amazonaws.com",
     "models.s3-website.eu-central-1.amazonaws.com", "127.0.0.1:9443"],
)  # fmt: skip
def test_the_listener_of_s3_rejects_other_host_names(host: str) -> None:
    services = Services()
    headers = signed(host=host, service="s3")
    status, _, body = call(services, headers, b"{}", listener=s3_listener(9443))
    assert (status, services.bodies) == (403, [])
    assert b"expected BUCKET.s3.REGION.amazonaws.com of a bucket that exists" in body


@pytest.mark.parametrize("service", ["logs", "iam", "greengrass", "s3-object-lambda"])
def test_the_listener_of_s3_serves_no_other_service(service: str) -> None:
    services = Services()
    headers = signed(host=S3_HOST, service=service)
    status, _, body = call(services, headers, b"{}", listener=s3_listener(9443))
    assert (status, services.bodies) == (403, [])
    assert (
        f"<Message>This port serves S3 only: the request is signed for '{service}'" in body.decode()
    )


def test_the_listener_of_s3_has_no_callbacks_of_cloudformation() -> None:
    services, path = Services(), "/_ministack/cfn-response/0f3c"
    status, _, _ = call(
        services, {"host": S3_HOST}, b"{}", method="PUT", path=path, listener=s3_listener(9443)
    )
    assert (status, services.bodies) == (403, [])
