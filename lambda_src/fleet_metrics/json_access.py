"""Access to values of JSON documents from outside."""

import math
from typing import Any


def number(document: Any, *path: str) -> float | None:
    """Return the finite number at a path of members, or None if there is none."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    if isinstance(document, bool) or not isinstance(document, int | float):
        return None
    try:
        value = float(document)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def text(document: Any, name: str, default: str = "unknown") -> str:
    """Return the string of a member, or `default` if there is none."""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) and value else default
