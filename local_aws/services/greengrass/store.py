"""The state of Greengrass, as JSON for each account and Region."""

import time
from typing import Any

from local_aws.account_region import Scope


class GreengrassStore:
    """The state of all accounts; records are JSON, and times are seconds since the epoch."""

    def __init__(self) -> None:
        self._regions: dict[Scope, Region] = {}

    def region(self, scope: Scope) -> "Region":
        """Return the state of an account and Region."""
        return self._regions.setdefault(scope, Region())

    def to_json(self) -> dict[str, Any]:
        """Return the complete state as JSON."""
        return {str(scope): region.to_json() for scope, region in self._regions.items()}

    def load_json(self, data: dict[str, Any]) -> None:
        """Replace the state with a result of `to_json`."""
        self._regions = {Scope.parse(key): Region(value) for key, value in data.items()}

    def clear(self) -> None:
        """Delete the complete state."""
        self._regions.clear()


class Region:
    """The state of one account in one Region."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        data = data or {}
        self.components: dict[str, dict[str, dict[str, Any]]] = data.get("components", {})
        self.deployments: dict[str, dict[str, Any]] = data.get("deployments", {})
        self.revisions: dict[str, int] = data.get("revisions", {})
        self.core_devices: dict[str, dict[str, Any]] = data.get("core_devices", {})
        self.client_devices: dict[str, dict[str, float]] = data.get("client_devices", {})
        self.connectivity: dict[str, dict[str, Any]] = data.get("connectivity", {})
        self.service_role: dict[str, Any] = data.get("service_role", {})

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return vars(self)


def now() -> float:
    """Return the current time in seconds since the epoch, rounded to milliseconds."""
    return round(time.time(), 3)
