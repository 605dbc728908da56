"""Everything Greengrass remembers, as plain JSON per account and region."""

import time
from typing import Any

from local_aws.account_region import Scope


class Store:
    """Greengrass's state; every record is JSON, every time is seconds since the epoch."""

    def __init__(self) -> None:
        self._regions: dict[Scope, Region] = {}

    def region(self, scope: Scope) -> "Region":
        """Give the state of one account and region."""
        return self._regions.setdefault(scope, Region())

    def to_json(self) -> dict[str, Any]:
        """Write everything."""
        return {str(scope): region.to_json() for scope, region in self._regions.items()}

    def load_json(self, data: dict[str, Any]) -> None:
        """Replace everything by what ``to_json`` wrote."""
        self._regions = {Scope.parse(key): Region(value) for key, value in data.items()}

    def clear(self) -> None:
        """Forget everything."""
        self._regions.clear()


class Region:
    """The state of one account in one region."""

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
        """Write this region."""
        return vars(self)


def now() -> float:
    """Tell the time in seconds since the epoch, to the millisecond."""
    return round(time.time(), 3)
