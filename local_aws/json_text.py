"""A JSON parser with a nesting limit for texts from clients, because Python's parser recurses."""

import json
import re
from typing import Any

DEEPEST = 200
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)


class TooDeepError(ValueError):
    """Raised if a JSON text has too many nested levels."""


def depth(text: bytes) -> int:
    """Return the nesting depth of arrays and objects; 0 if it cannot exceed ``DEEPEST``."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return 0
    current = deepest = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case b"[" | b"{":
                current += 1
                deepest = max(deepest, current)
            case b"]" | b"}":
                current -= 1
    return deepest


def parse(text: bytes | str) -> Any:
    """Parse a JSON text.

    Raises:
        TooDeepError: the text has more than ``DEEPEST`` nested levels.
        ValueError: the text is not JSON.
    """
    if depth(text.encode() if isinstance(text, str) else text) > DEEPEST:
        raise TooDeepError(f"nested more than {DEEPEST} levels deep")
    return json.loads(text)
