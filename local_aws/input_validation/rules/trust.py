"""Checks of roles' trust policies."""

from typing import Any


def trusts(policy: dict[str, Any] | None, service: str) -> bool:
    """Return whether a trust policy allows a service to assume its role; None allows nobody."""
    statements = (policy or {}).get("Statement", [])
    if isinstance(statements, dict):
        statements = [statements]
    return any(
        statement.get("Effect") == "Allow" and service in _services(statement.get("Principal"))
        for statement in statements
    )


def _services(principal: Any) -> list[str]:
    services = principal.get("Service", []) if isinstance(principal, dict) else []
    return [services] if isinstance(services, str) else list(services)
