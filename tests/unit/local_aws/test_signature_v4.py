"""The emulator verifies signatures of botocore's clients."""

import datetime as dt
from typing import Any

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_aws.gateway.signature_v4 import (
    AccessKey,
    Fault,
    HttpRequest,
    RequestRejected,
    check_signature,
    check_time,
    check_token,
    read_signature,
)

ACCOUNT = "111111111111"
NOW = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
KEY = AccessKey(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", "secret")
SESSION = AccessKey(ACCOUNT, "arn", "secret", "token+/=", NOW.timestamp() + 60)
HOST = "127.0.0.1:4566"
PATH = "/2015-03-31/functions/a%3Ab/../x%20y?Qualifier=1&A=b%2Bc&empty="


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixed clock for signatures: noon."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW)


def signed(  # noqa: PLR0913 - each parameter changes the signature
    signer: Any = SigV4Auth, *, service: str = "lambda", method: str = "POST",
    path: str = PATH, body: bytes = b"{}", key: AccessKey = KEY, secret: str = "",
    **more: Any,
) -> HttpRequest:  # fmt: skip
    made = AWSRequest(
        method, f"http://{HOST}{path}",
        {"content-type": "application/json", "X-Amz-Meta": " a  b "}, body,
    )  # fmt: skip
    made.context.update(more.pop("context", {}))
    credentials = Credentials(ACCOUNT, secret or key.secret, key.session_token or None)
    signer(credentials, service, "eu-central-1", **more).add_auth(made)
    sent, _, query = made.url.removeprefix(f"http://{HOST}").partition("?")
    headers = {name.lower(): value for name, value in made.headers.items()}
    return HttpRequest(method, sent, query, {"host": HOST, **headers})


def verify(request: HttpRequest, body: bytes = b"{}", key: AccessKey = KEY) -> None:
    signature = read_signature(request)
    check_time(signature, NOW)
    check_token(signature, key, NOW)
    check_signature(request, body, signature, key)


def fault(request: HttpRequest, body: bytes = b"{}", key: AccessKey = KEY) -> Fault:
    with pytest.raises(RequestRejected) as caught:
        verify(request, body, key)
    return caught.value.fault


@pytest.mark.parametrize(("signer", "service"), [(SigV4Auth, "lambda"), (S3SigV4Auth, "s3")])
@pytest.mark.parametrize("key", [KEY, SESSION])
def test_a_signed_request_is_accepted_and_its_changes_are_not(
    signer: Any, service: str, key: AccessKey
) -> None:
    request = signed(signer, service=service, key=key)
    verify(request, key=key)
    changed = [
        HttpRequest("PUT", request.path, request.query, request.headers),
        HttpRequest("POST", request.path + "z", request.query, request.headers),
        HttpRequest("POST", request.path, request.query + "&x=1", request.headers),
        HttpRequest("POST", request.path, request.query, {**request.headers, "host": "evil:1"}),
        HttpRequest("POST", request.path, request.query, {**request.headers, "x-amz-meta": "c"}),
    ]
    assert {fault(request, key=key) for request in changed} == {Fault.SIGNATURE}
    assert fault(request, b"{ }", key) is (Fault.CONTENT if service == "s3" else Fault.SIGNATURE)
    assert fault(signed(signer, service=service, key=key, secret="other"), key=key) is (
        Fault.SIGNATURE
    )


@pytest.mark.parametrize(("signer", "service"), [(SigV4QueryAuth, "sts"), (S3SigV4QueryAuth, "s3")])
@pytest.mark.parametrize("key", [KEY, SESSION])
def test_a_presigned_url_is_accepted_until_it_expires(
    signer: Any, service: str, key: AccessKey
) -> None:
    request = signed(
        signer, service=service, method="GET", body=b"", path="/b/k", key=key, expires=60
    )
    verify(request, b"", key)
    signature = read_signature(request)
    check_time(signature, NOW + dt.timedelta(seconds=60))
    with pytest.raises(RequestRejected) as caught:
        check_time(signature, NOW + dt.timedelta(seconds=61))
    assert caught.value.fault is Fault.EXPIRED_URL
    longer = HttpRequest(
        "GET", request.path, request.query.replace("Expires=60", "Expires=600"), request.headers
    )
    assert fault(longer, b"", key) is Fault.SIGNATURE
    endless = HttpRequest(
        "GET", request.path, request.query.replace("Expires=60", "Expires=604801"), request.headers
    )
    assert fault(endless, b"", key) is Fault.INCOMPLETE


def test_s3_accepts_the_unsigned_bodies_that_sdks_send_and_other_services_do_not() -> None:
    for context in (
        {"payload_signing_enabled": False},
        {"checksum": {"request_algorithm": {"in": "trailer"}}},
    ):
        # botocore sends such bodies only over HTTPS, but the SDK for JavaScript also sends them
        # over HTTP.
        request = signed(
            _UnsignedPayload if "payload_signing_enabled" in context else S3SigV4Auth,
            service="s3", path="/b/k", context=context,
        )  # fmt: skip
        assert not request.headers["X-Amz-Content-SHA256".lower()].isalnum()
        verify(request, b"any")
    assert fault(signed(_UnsignedPayload, path="/x"), b"any") is Fault.CONTENT
    chunks = {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}
    request = signed(S3SigV4Auth, service="s3", path="/b/k")
    assert fault(HttpRequest("POST", "/b/k", "", {**request.headers, **chunks})) is Fault.STREAM


class _UnsignedPayload(S3SigV4Auth):
    def payload(self, _request: AWSRequest) -> str:
        return "UNSIGNED-PAYLOAD"


def test_a_clock_that_is_wrong_by_more_than_a_quarter_of_an_hour_is_reported() -> None:
    signature = read_signature(signed())
    for minutes in (-15, 15):
        check_time(signature, NOW + dt.timedelta(minutes=minutes))
    for minutes, text in ((16, "expired"), (-16, "not yet current")):
        with pytest.raises(RequestRejected, match=text) as caught:
            check_time(signature, NOW + dt.timedelta(minutes=minutes))
        assert caught.value.fault is Fault.SKEWED


def test_a_session_needs_its_token_and_ends() -> None:
    request = signed(key=SESSION)
    other = {**request.headers, "x-amz-security-token": "other"}
    assert fault(HttpRequest("POST", request.path, request.query, other), key=SESSION) is (
        Fault.TOKEN
    )
    assert fault(signed(), key=SESSION) is Fault.TOKEN
    assert fault(request, key=KEY) is Fault.TOKEN
    with pytest.raises(RequestRejected) as caught:
        check_token(read_signature(request), SESSION, NOW + dt.timedelta(seconds=61))
    assert caught.value.fault is Fault.EXPIRED_TOKEN


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({}, "", Fault.MISSING),
        ({"authorization": "Bearer x"}, "", Fault.UNSUPPORTED),
        ({"authorization": "AWS key:signature"}, "", Fault.UNSUPPORTED),
        ({"authorization": "AWS4-ECDSA-P256-SHA256 Credential=x"}, "", Fault.UNSUPPORTED),
        ({}, "AWSAccessKeyId=1&Signature=2&Expires=3", Fault.UNSUPPORTED),
        ({"authorization": "AWS4-HMAC-SHA256"}, "", Fault.INCOMPLETE),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=a/b/c"}, "", Fault.INCOMPLETE),
        ({}, "X-Amz-Algorithm=AWS4-HMAC-SHA256", Fault.INCOMPLETE),
        ({}, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=²", Fault.INCOMPLETE),
    ],
)
def test_a_signature_of_another_kind_is_named(
    headers: dict[str, str], query: str, expected: Fault
) -> None:
    assert fault(HttpRequest("GET", "/", query, {"host": HOST, **headers})) is expected


def test_the_host_must_be_signed_and_the_time_be_a_time() -> None:
    request = signed()
    authorization = request.headers["authorization"]
    for headers in (
        {"authorization": authorization.replace("host;", "")},
        {"x-amz-date": "20261330T120000Z"},
        {"x-amz-date": ""},
    ):
        changed = HttpRequest("POST", request.path, request.query, {**request.headers, **headers})
        assert fault(changed) is Fault.INCOMPLETE
