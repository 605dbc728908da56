"""Verification of Signature Version 4; botocore's signer computes the expected signature.

Source: AWS IAM User Guide, "Signature Version 4 for API requests", and Amazon S3 API Reference,
"Authenticating Requests (AWS Signature Version 4)".
"""

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from urllib.parse import parse_qsl

from botocore.auth import (
    SIGV4_TIMESTAMP,
    STREAMING_UNSIGNED_PAYLOAD_TRAILER,
    UNSIGNED_PAYLOAD,
    S3SigV4Auth,
    SigV4Auth,
)
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"
S3 = "s3"
CLOCK_SKEW = dt.timedelta(minutes=15)
_LONGEST_PRESIGNED_SECONDS = 7 * 24 * 3600
_PARAMETER = re.compile(r"\s*(?P<name>\w+)=(?P<value>[^,\s]+)\s*")
_CREDENTIAL = re.compile(
    r"(?P<key>[^/\s]+)/(?P<date>[0-9]{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request"
)
_PRESIGNED = tuple(
    f"X-Amz-{name}" for name in ("Credential", "Date", "Expires", "Signature", "SignedHeaders")
)
_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")


class Fault(Enum):
    """The reasons to reject a request before a service receives it."""

    CROSS_ORIGIN = auto()
    HOST = auto()
    ROUTE = auto()
    TOO_LARGE = auto()
    TOO_DEEP = auto()
    MISSING = auto()
    INCOMPLETE = auto()
    UNSUPPORTED = auto()
    UNKNOWN_KEY = auto()
    TOKEN = auto()
    EXPIRED_TOKEN = auto()
    SKEWED = auto()
    EXPIRED_URL = auto()
    CONTENT = auto()
    STREAM = auto()
    SIGNATURE = auto()


class RequestRejected(Exception):  # noqa: N818 - the name describes an event
    """Raised if the filter rejects a request before a service receives the request."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """The signed parts of a request; the path and query are in the form that the client sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key that the emulator issued."""

    account: str
    arn: str
    secret: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a request, from its header or its query string."""

    access_key_id: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    session_token: str
    presigned_seconds: int | None = None

    @property
    def time(self) -> dt.datetime:
        """Return the time at which the client signed the request."""
        return dt.datetime.strptime(self.timestamp, SIGV4_TIMESTAMP).replace(tzinfo=dt.UTC)


def read_signature(request: HttpRequest) -> Signature:
    """Read the signature of a request.

    Raises:
        RequestRejected: the signature is missing, incomplete, or of another version.
    """
    authorization = request.headers.get("authorization", "")
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    if authorization:
        algorithm, _, rest = authorization.partition(" ")
        _require_algorithm(algorithm)
        parameters = _parameters(rest)
        timestamp = request.headers.get("x-amz-date", "")
        token = request.headers.get("x-amz-security-token", "")
        seconds = None
    elif "X-Amz-Algorithm" in query or "X-Amz-Signature" in query:
        _require_algorithm(query.get("X-Amz-Algorithm", ""))
        parameters = {name.removeprefix("X-Amz-"): query.get(name, "") for name in _PRESIGNED}
        timestamp = parameters["Date"]
        token = query.get("X-Amz-Security-Token", "")
        seconds = _presigned_seconds(parameters["Expires"])
    elif "AWSAccessKeyId" in query:
        _require_algorithm("Signature Version 2")
    else:
        raise RequestRejected(
            Fault.MISSING,
            "The request is not signed: the emulator accepts requests that are signed with the"
            " secret that `deeplens local env` prints.",
        )
    scope = _CREDENTIAL.fullmatch(parameters.get("Credential", ""))
    headers = tuple(parameters.get("SignedHeaders", "").split(";"))
    if scope is None or not parameters.get("Signature") or not _is_time(timestamp):
        raise RequestRejected(
            Fault.INCOMPLETE,
            "The signature is incomplete: expected Credential"
            " (key/date/region/service/aws4_request), SignedHeaders, Signature and X-Amz-Date.",
        )
    if "host" not in headers:
        raise RequestRejected(Fault.INCOMPLETE, "The header 'host' is not among SignedHeaders.")
    return Signature(
        scope["key"], scope["region"], scope["service"], headers, parameters["Signature"],
        timestamp, token, seconds,
    )  # fmt: skip


def check_time(signature: Signature, now: dt.datetime) -> None:
    """Check the time of a signature.

    Raises:
        RequestRejected: the time is too old or in the future, or the presigned URL has expired.
    """
    signed, stamp = signature.time, now.strftime(SIGV4_TIMESTAMP)
    if signed > now + CLOCK_SKEW:
        raise RequestRejected(
            Fault.SKEWED,
            f"Signature not yet current: {signature.timestamp} is still later than {stamp}"
            " + 15 min.",
        )
    if signature.presigned_seconds is not None:
        if now > signed + dt.timedelta(seconds=signature.presigned_seconds):
            raise RequestRejected(
                Fault.EXPIRED_URL,
                f"Request has expired: signed at {signature.timestamp} for"
                f" {signature.presigned_seconds} s, it is {stamp} now.",
            )
    elif signed < now - CLOCK_SKEW:
        raise RequestRejected(
            Fault.SKEWED,
            f"Signature expired: {signature.timestamp} is now earlier than {stamp} - 15 min.",
        )


def check_token(signature: Signature, key: AccessKey, now: dt.datetime) -> None:
    """Check the session token of a request.

    Raises:
        RequestRejected: the token was not issued with the key, or has expired.
    """
    if not _equal(signature.session_token, key.session_token):
        raise RequestRejected(
            Fault.TOKEN,
            "The session token is not the one that was issued with the access key"
            f" {signature.access_key_id!r}.",
        )
    if key.expires is not None and now.timestamp() > key.expires:
        raise RequestRejected(
            Fault.EXPIRED_TOKEN, "The security token included in the request is expired."
        )


def check_signature(
    request: HttpRequest, body: bytes, signature: Signature, key: AccessKey
) -> None:
    """Check that the signature matches the request, its body and the secret of the key.

    Raises:
        RequestRejected: the signature or the hash of the body differs, or the body has chunk
            signatures.
    """
    payload = _payload_hash(request, body, signature)
    if not _equal(_expected(request, payload, signature, key.secret), signature.signature):
        raise RequestRejected(
            Fault.SIGNATURE,
            "The request signature we calculated does not match the signature you provided:"
            f" the secret of {signature.access_key_id!r} differs. The secrets of accounts change at"
            " each start of the emulator; `deeplens local env` prints them.",
        )


class _NamedHeaders:
    """A mixin that signs the headers that the client signed, not those that botocore selects."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        headers: HTTPHeaders = request.context["signed_headers"]
        return headers


class _Signer(_NamedHeaders, SigV4Auth):
    """The signer of most services."""


class _S3Signer(_NamedHeaders, S3SigV4Auth):
    """The signer of S3, which does not normalize paths."""


def _expected(request: HttpRequest, payload: str, signature: Signature, secret: str) -> str:
    signer: Any = (_S3Signer if signature.service == S3 else _Signer)(
        Credentials(signature.access_key_id, secret), signature.service, signature.region
    )
    query = "&".join(
        pair for pair in request.query.split("&") if not pair.startswith("X-Amz-Signature=")
    )
    signed = HTTPHeaders()
    for name in signature.signed_headers:
        signed[name] = request.headers.get(name, "")
    url = f"http://{request.headers.get('host', '')}{request.path}?{query}"
    signed_request = AWSRequest(request.method, url, headers={"X-Amz-Content-SHA256": payload})
    signed_request.context |= {"timestamp": signature.timestamp, "signed_headers": signed}
    expected: str = signer.signature(
        signer.string_to_sign(signed_request, signer.canonical_request(signed_request)),
        signed_request,
    )
    return expected


def _payload_hash(request: HttpRequest, body: bytes, signature: Signature) -> str:
    """Return the payload hash of the signed request, or S3's marker for an unsigned body.

    Raises:
        RequestRejected: the body does not match the declared hash, or has chunk signatures.
    """
    declared = request.headers.get("x-amz-content-sha256")
    if signature.service == S3:
        if declared is None and signature.presigned_seconds is not None:
            return UNSIGNED_PAYLOAD
        if declared in {UNSIGNED_PAYLOAD, STREAMING_UNSIGNED_PAYLOAD_TRAILER}:
            return str(declared)
        if declared is not None and declared.startswith("STREAMING-"):
            raise RequestRejected(
                Fault.STREAM,
                f"The emulator does not verify the chunk signatures of {declared!r}: send"
                f" {STREAMING_UNSIGNED_PAYLOAD_TRAILER}, {UNSIGNED_PAYLOAD} or the SHA-256.",
            )
    actual = hashlib.sha256(body).hexdigest()
    if declared is not None and not _equal(declared, actual):
        raise RequestRejected(
            Fault.CONTENT,
            f"The body does not match x-amz-content-sha256: declared {declared!r}, SHA-256 of the"
            f" body {actual}.",
        )
    return actual


def _require_algorithm(name: str) -> None:
    if name != ALGORITHM:
        raise RequestRejected(
            Fault.UNSUPPORTED,
            f"{name!r} is not a supported signing algorithm: use {ALGORITHM} (Signature Version 4)",
        )


def _parameters(text: str) -> dict[str, str]:
    matches = (_PARAMETER.fullmatch(part) for part in text.split(","))
    return {match["name"]: match["value"] for match in matches if match}


def _presigned_seconds(text: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text) or not 0 < int(text) <= _LONGEST_PRESIGNED_SECONDS:
        raise RequestRejected(
            Fault.INCOMPLETE,
            f"X-Amz-Expires {text!r} is not a number of seconds from 1 to"
            f" {_LONGEST_PRESIGNED_SECONDS}.",
        )
    return int(text)


def _is_time(text: str) -> bool:
    if not _TIMESTAMP.fullmatch(text):
        return False
    try:
        dt.datetime.strptime(text, SIGV4_TIMESTAMP)  # noqa: DTZ007 - only checks the format
    except ValueError:
        return False
    return True


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
