"""The operations about the account, tags, connectivity and client devices."""

import datetime as dt
import re
from typing import Any

from local_aws.account_region import Scope
from local_aws.errors import NotFoundError, ServiceError
from local_aws.services.greengrass.components import Components
from local_aws.services.greengrass.deployments import Deployments
from local_aws.services.greengrass.devices import Devices
from local_aws.services.greengrass.paging import page
from local_aws.services.greengrass.store import Store, now
from local_aws.services.greengrass.tagging import check_tags

Params = dict[str, Any]
_TAGGED = re.compile(
    r"arn:[^:]*:greengrass:[^:]*:[^:]+:(?P<kind>components|deployments|coreDevices):(?P<id>.+)"
)


class Tags:
    """Tags of component versions, deployments and core devices."""

    def __init__(self, components: Components, deployments: Deployments, devices: Devices) -> None:
        self._components = components
        self._deployments = deployments
        self._devices = devices

    def list_tags(self, scope: Scope, params: Params) -> Params:
        """ListTagsForResource."""
        return {"tags": self.of(scope, params["resourceArn"])}

    def tag(self, scope: Scope, params: Params) -> Params:
        """TagResource."""
        check_tags(params["tags"])
        self.of(scope, params["resourceArn"]).update(params["tags"])
        return {}

    def untag(self, scope: Scope, params: Params) -> Params:
        """UntagResource."""
        tags = self.of(scope, params["resourceArn"])
        for key in params["tagKeys"]:
            tags.pop(key, None)
        return {}

    def of(self, scope: Scope, arn: str) -> dict[str, str]:
        """Return the tags of a resource, which the caller may change.

        Raises:
            NotFoundError: it does not exist.
        """
        match = _TAGGED.fullmatch(arn)
        record: dict[str, Any] | None = None
        if match and match["kind"] == "components":
            record = self._components.record(scope, arn)
        elif match and match["kind"] == "deployments":
            record = self._deployments.record(scope, match["id"])
        elif match:
            record = self._devices.record(scope, match["id"])
        if record is None:
            raise NotFoundError("RESOURCE", arn)
        tags: dict[str, str] = record["tags"]
        return tags


class Account:
    """The account's service role, connectivity information and client devices."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def associate_role(self, scope: Scope, params: Params) -> Params:
        """AssociateServiceRoleToAccount."""
        role = {"roleArn": params["roleArn"], "associatedAt": _iso_now()}
        self._store.region(scope).service_role = role
        return role

    def get_role(self, scope: Scope, _params: Params) -> Params:
        """GetServiceRoleForAccount."""
        role = self._store.region(scope).service_role
        if not role:
            raise ServiceError("ResourceNotFoundException", "No service role is associated.")
        return role

    def disassociate_role(self, scope: Scope, _params: Params) -> Params:
        """DisassociateServiceRoleFromAccount."""
        self._store.region(scope).service_role = {}
        return {"disassociatedAt": _iso_now()}

    def get_connectivity(self, scope: Scope, params: Params) -> Params:
        """GetConnectivityInfo."""
        record = self._store.region(scope).connectivity.get(params["thingName"], {})
        return {"connectivityInfo": record.get("info", []), "message": ""}

    def update_connectivity(self, scope: Scope, params: Params) -> Params:
        """UpdateConnectivityInfo."""
        known = self._store.region(scope).connectivity
        version = known.get(params["thingName"], {}).get("version", 0) + 1
        known[params["thingName"]] = {"info": params["connectivityInfo"], "version": version}
        return {"version": str(version), "message": ""}

    def associate_clients(self, scope: Scope, params: Params) -> Params:
        """BatchAssociateClientDeviceWithCoreDevice."""
        clients = self._store.region(scope).client_devices.setdefault(
            params["coreDeviceThingName"], {}
        )
        for entry in params.get("entries", []):
            clients[entry["thingName"]] = now()
        return {"errorEntries": []}

    def disassociate_clients(self, scope: Scope, params: Params) -> Params:
        """BatchDisassociateClientDeviceFromCoreDevice."""
        clients = self._store.region(scope).client_devices.get(params["coreDeviceThingName"], {})
        unknown = [
            entry["thingName"]
            for entry in params.get("entries", [])
            if clients.pop(entry["thingName"], None) is None
        ]
        return {
            "errorEntries": [
                {"thingName": thing, "code": "404", "message": "It is not associated."}
                for thing in unknown
            ]
        }

    def list_clients(self, scope: Scope, params: Params) -> Params:
        """ListClientDevicesAssociatedWithCoreDevice."""
        clients = self._store.region(scope).client_devices.get(params["coreDeviceThingName"], {})
        listed = [
            {"thingName": thing, "associationTimestamp": since}
            for thing, since in sorted(clients.items())
        ]
        return page("associatedClientDevices", listed, params)


def _iso_now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
