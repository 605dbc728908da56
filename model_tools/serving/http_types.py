"""What a server says, as plain data; `http` sends it."""

import json
import math
from dataclasses import dataclass
from typing import Any

JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    body: bytes = b""
    content_type: str = JSON


class RequestError(Exception):
    """A request that cannot be answered, with the HTTP status that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def as_answer(self) -> Answer:
        """Return it as TensorFlow Serving and SageMaker's container do."""
        return json_answer({"error": str(self)}, self.status)


def json_answer(document: Any, status: int = 200) -> Answer:
    """Return a document; numbers that are none stand there as NaN and Infinity."""
    return Answer(status, json.dumps(document, indent=None).encode())


def read_json(body: bytes) -> Any:
    """Return a request's document.

    Raises:
        RequestError: 400, it is not JSON, or has a number that is too large for a double.
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
