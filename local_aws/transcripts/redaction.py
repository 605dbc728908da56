"""Removing secrets from what is recorded: a transcript is for other people.

Removed values become anonymous placeholders of their type, so that the transcript can be played.
"""

import re
from typing import Any

REMOVED = "${_}"
# Correlates a request and its reply, and opens nothing.
_HARMLESS = frozenset({"clienttoken", "signed_headers"})
_SECRET_NAME = re.compile(
    r"secret|password|passwd|passphrase|credential|token|authorization|signature|cookie"
    r"|certificate|privatekey|accesskey|apikey|presigned",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"-----BEGIN "
    # Access keys of users and sessions.
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
    # Presigned URLs of either signature version.
    r"|[?&](?:X-Amz-(?:Signature|Credential|Security-Token)|Signature|AWSAccessKeyId)="
    # JSON Web Tokens, and the user of a URL.
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\."
    r"|\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@",
    re.IGNORECASE,
)


def redacted(value: Any, name: str = "") -> Any:
    """Return a JSON value without secrets; ``name`` is that of the member that it is.

    An object below a secret name stays an object, and each value in it is removed.
    """
    return _redacted(value, is_secret=_is_secret_name(name))


def _redacted(value: Any, *, is_secret: bool) -> Any:
    if isinstance(value, dict):
        return {
            _redacted(key, is_secret=False): _redacted(
                item, is_secret=is_secret or _is_secret_name(key)
            )
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_redacted(item, is_secret=is_secret) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if is_secret or (isinstance(value, str) and _SECRET_TEXT.search(value)):
        return REMOVED
    return value


def _is_secret_name(name: str) -> bool:
    plain = name.lower().replace("-", "").replace("_", "")
    return name.lower() not in _HARMLESS and _SECRET_NAME.search(plain) is not None
