"""The parts of an account that rules read."""

from typing import Any, Protocol


class Account(Protocol):
    """An account in a region."""

    def trust_policy(self, role_arn: str) -> dict[str, Any] | None:
        """Return the trust policy of a role that can be assumed, or None if there is none."""

    def inline_policies(self, kind: str, name: str) -> dict[str, str]:
        """Return the inline policies of a ``role``, ``user`` or ``group`` by their names."""

    def attached_policies(self, role: str) -> list[str]:
        """Return the ARNs of the managed policies of a role."""

    def groups_of_thing(self, thing: str) -> list[str]:
        """Return the names of the groups that a thing is in."""
