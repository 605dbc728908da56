"""Responses and request errors as plain data, which `http_server` sends."""

import json
import math
from dataclasses import dataclass
from typing import Any

JSON = "application/json"


@dataclass(frozen=True)
class Response:
    """The status, body and content type of a response."""

    status: int
    body: bytes = b""
    content_type: str = JSON


class RequestError(Exception):
    """Raised for a request that receives an error response, with the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def as_response(self) -> Response:
        """Return the error in the format of TensorFlow Serving and SageMaker's container."""
        return json_response({"error": str(self)}, self.status)


def json_response(document: Any, status: int = 200) -> Response:
    """Return a response with a JSON document; NaN and infinity become `NaN` and `Infinity`."""
    return Response(status, json.dumps(document, indent=None).encode())


def parse_request(body: bytes) -> Any:
    """Return the JSON document of a request.

    Raises:
        RequestError: 400, the body is not JSON, or has a number that is too large for a double.
    """
    try:
        return json.loads(body, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"JSON Parse error: {error}") from None


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is too large for a double")
    return value
