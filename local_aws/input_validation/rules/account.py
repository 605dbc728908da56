"""The account in which rules look up resources, and the statements of policy documents."""

import json
from typing import Any, Protocol


class Account(Protocol):
    """The resources of an account and Region that rules look up."""

    def trust_policy(self, role_arn: str) -> dict[str, Any] | None:
        """Return the trust policy of a role, or None if the role does not exist."""

    def inline_policies(self, kind: str, name: str) -> dict[str, str]:
        """Return the inline policies of a ``role``, ``user`` or ``group``, by policy name."""

    def attached_policies(self, role: str) -> list[str]:
        """Return the ARNs of the managed policies of a role."""

    def groups_of_thing(self, thing: str) -> list[str]:
        """Return the names of the thing groups that contain a thing."""


def statements(document: str) -> list[dict[str, Any]]:
    """Return the statements of a policy document of IAM or AWS IoT.

    Raises:
        ValueError: the text is not a document with statements; the message contains the reason.
    """
    try:
        policy = json.loads(document)
    except ValueError:
        raise ValueError("the document is not JSON") from None
    listed = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list) or not all(
        isinstance(statement, dict) and statement.get("Effect") in ("Allow", "Deny")
        for statement in listed
    ):
        raise ValueError("a statement needs Effect, Action and Resource")
    return listed


def trusts(policy: dict[str, Any] | None, service: str) -> bool:
    """Return whether a trust policy allows a service to assume its role; false for None."""
    listed = (policy or {}).get("Statement", [])
    if isinstance(listed, dict):
        listed = [listed]
    return any(
        statement.get("Effect") == "Allow" and service in _services(statement.get("Principal"))
        for statement in listed
    )


def _services(principal: Any) -> list[str]:
    services = principal.get("Service", []) if isinstance(principal, dict) else []
    return [services] if isinstance(services, str) else list(services)
