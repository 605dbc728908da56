"""AWS' error responses for rejected requests, in the client's protocol.

Sources: AWS General Reference, "Common errors"; Amazon S3 API Reference, "Error responses".
"""

import json
import uuid
from typing import NamedTuple
from xml.sax.saxutils import escape

from local_aws.gateway.signature_v4 import S3, Fault, HttpRequest, RequestRejected
from local_aws.service_protocol import Response


class _Codes(NamedTuple):
    """The error codes and HTTP statuses of a fault for S3, query services and JSON services."""

    s3: tuple[str, int]
    query: tuple[str, int]
    json: tuple[str, int]


_DENIED = _Codes(("AccessDenied", 403), ("AccessDenied", 403), ("AccessDeniedException", 403))
_MISMATCH = ("SignatureDoesNotMatch", 403)
_UNKNOWN_TOKEN = ("InvalidClientTokenId", 403)
_UNRECOGNIZED = ("UnrecognizedClientException", 403)
_INVALID_SIGNATURE = ("InvalidSignatureException", 403)
_MALFORMED = ("AuthorizationHeaderMalformed", 400)
_INCOMPLETE = (("IncompleteSignature", 400), ("IncompleteSignatureException", 400))
_CODES = {
    Fault.CROSS_ORIGIN: _DENIED,
    Fault.HOST: _DENIED,
    Fault.ROUTE: _DENIED,
    Fault.TOO_LARGE: _Codes(
        ("EntityTooLarge", 400), ("RequestEntityTooLarge", 413), ("RequestEntityTooLarge", 413)
    ),
    Fault.TOO_DEEP: _Codes(
        ("MalformedXML", 400), ("ValidationError", 400), ("SerializationException", 400)
    ),
    Fault.MISSING: _Codes(
        ("AccessDenied", 403),
        ("MissingAuthenticationToken", 403),
        ("MissingAuthenticationTokenException", 403),
    ),
    Fault.INCOMPLETE: _Codes(_MALFORMED, *_INCOMPLETE),
    Fault.UNSUPPORTED: _Codes(("InvalidRequest", 400), *_INCOMPLETE),
    Fault.UNKNOWN_KEY: _Codes(("InvalidAccessKeyId", 403), _UNKNOWN_TOKEN, _UNRECOGNIZED),
    Fault.TOKEN: _Codes(("InvalidToken", 400), _UNKNOWN_TOKEN, _UNRECOGNIZED),
    Fault.EXPIRED_TOKEN: _Codes(
        ("ExpiredToken", 400), ("ExpiredToken", 403), ("ExpiredTokenException", 403)
    ),
    # Most services report a skewed clock as a wrong signature. SDKs handle both errors.
    Fault.SKEWED: _Codes(("RequestTimeTooSkewed", 403), _MISMATCH, _INVALID_SIGNATURE),
    Fault.EXPIRED_URL: _Codes(
        ("AccessDenied", 403), ("RequestExpired", 400), ("RequestExpired", 400)
    ),
    Fault.CONTENT: _Codes(("XAmzContentSHA256Mismatch", 400), _MISMATCH, _INVALID_SIGNATURE),
    Fault.STREAM: _Codes(("NotImplemented", 501), _MISMATCH, _INVALID_SIGNATURE),
    Fault.SIGNATURE: _Codes(_MISMATCH, _MISMATCH, _INVALID_SIGNATURE),
}


def response(request: HttpRequest, service: str | None, rejected: RequestRejected) -> Response:
    """Return the response to a rejected request, in the protocol of the request."""
    codes, message, identifier = _CODES[rejected.fault], rejected.message, str(uuid.uuid4())
    if service == S3 or (service is None and not _is_json(request) and not _is_query(request)):
        code, status = codes.s3
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>'
            f"{_text(message)}</Message><RequestId>{identifier}</RequestId></Error>"
        )
        return _response(request, status, "application/xml", codes.json[0], body)
    if _is_json(request) or not _is_query(request):
        code, status = codes.json
        if "x-amz-target" in request.headers and status == 403:  # noqa: PLR2004 - Forbidden
            status = 400  # client errors of the JSON protocols always have this status
        body = json.dumps({"__type": code, "message": message})
        return _response(request, status, "application/json", code, body)
    code, status = codes.query
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{_text(message)}"
        f"</Message></Error><RequestId>{identifier}</RequestId></ErrorResponse>"
    )
    return _response(request, status, "text/xml", code, body)


def _response(
    request: HttpRequest, status: int, content_type: str, error_type: str, body: str
) -> Response:
    headers = {"Content-Type": content_type, "x-amzn-ErrorType": error_type}
    return Response(status, headers, b"" if request.method == "HEAD" else body.encode())


def _is_json(request: HttpRequest) -> bool:
    content_type = request.headers.get("content-type", "")
    return "x-amz-target" in request.headers or "json" in content_type


def _is_query(request: HttpRequest) -> bool:
    content_type = request.headers.get("content-type", "")
    return content_type.startswith("application/x-www-form-urlencoded") or (
        "Action=" in request.query
    )


def _text(message: str) -> str:
    """Escape a message for XML; replace characters that are not printable with question marks."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in message))
