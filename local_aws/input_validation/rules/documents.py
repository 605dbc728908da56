"""The statements of a policy document, of IAM and of AWS IoT."""

import json
from typing import Any


def statements(document: str) -> list[dict[str, Any]]:
    """Return the statements of a document.

    Raises:
        ValueError: it is not a document with statements; the message is the reason.
    """
    try:
        policy = json.loads(document)
    except ValueError:
        raise ValueError("the document is not JSON") from None
    found = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list) or not all(
        isinstance(statement, dict) and statement.get("Effect") in ("Allow", "Deny")
        for statement in found
    ):
        raise ValueError("a statement needs Effect, Action and Resource")
    return found
