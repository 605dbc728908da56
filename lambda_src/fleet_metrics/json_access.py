"""Access to values of untrusted JSON documents."""

import math
from typing import Any


def number(document: Any, *path: str) -> float | None:
    """Return the number at a path of members; None if absent or not a finite number."""
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
    """Return the string of a member, or `default` if it is absent, empty or not a string."""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) and value else default
