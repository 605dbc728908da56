"""Values out of documents that anybody may have written."""

import math
from typing import Any


def number(document: Any, *path: str) -> float | None:
    """Return the finite number at a path of members, or None when there is none."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    if isinstance(document, bool) or not isinstance(document, int | float):
        return None
    try:
        found = float(document)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def count(document: Any, *path: str) -> float | None:
    """Return the non-negative integer at a path of members, or None when there is none."""
    found = number(document, *path)
    return found if found is not None and found >= 0 and found.is_integer() else None


def text(document: Any, name: str, otherwise: str = "unknown") -> str:
    """Return the text of a member, or `otherwise` when there is none."""
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, str) and found else otherwise
