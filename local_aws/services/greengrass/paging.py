"""The pages of list operations."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from local_aws.errors import ValidationError

_DEFAULT_PAGE = 50


def page(key: str, items: Sequence[Any], params: dict[str, Any]) -> dict[str, Any]:
    """Return the page that `maxResults` (default: 50) and `nextToken` select.

    Raises:
        ValidationError: the token is not valid.
    """
    start = _offset(params.get("nextToken"))
    end = start + int(params.get("maxResults", _DEFAULT_PAGE))
    response: dict[str, Any] = {key: list(items[start:end])}
    if end < len(items):
        response["nextToken"] = base64.urlsafe_b64encode(str(end).encode()).decode()
    return response


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error):
        raise ValidationError(
            "nextToken is not valid: expected the nextToken of a previous response."
        ) from None
