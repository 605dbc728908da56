"""Operations on the account's service role, connectivity information and client devices."""

import datetime as dt
from typing import Any

from local_aws.account_region import Scope
from local_aws.errors import ServiceError
from local_aws.services.greengrass.paging import page
from local_aws.services.greengrass.store import GreengrassStore, now

Params = dict[str, Any]


class AccountSettings:
    """The service role, connectivity information and client devices of an account."""

    def __init__(self, store: GreengrassStore) -> None:
        self._store = store

    def associate_role(self, scope: Scope, params: Params) -> Params:
        """Implement AssociateServiceRoleToAccount."""
        role = {"roleArn": params["roleArn"], "associatedAt": _iso_now()}
        self._store.region(scope).service_role = role
        return role

    def get_role(self, scope: Scope, _params: Params) -> Params:
        """Implement GetServiceRoleForAccount."""
        role = self._store.region(scope).service_role
        if not role:
            raise ServiceError("ResourceNotFoundException", "No service role is associated.")
        return role

    def disassociate_role(self, scope: Scope, _params: Params) -> Params:
        """Implement DisassociateServiceRoleFromAccount."""
        self._store.region(scope).service_role = {}
        return {"disassociatedAt": _iso_now()}

    def get_connectivity(self, scope: Scope, params: Params) -> Params:
        """Implement GetConnectivityInfo."""
        record = self._store.region(scope).connectivity.get(params["thingName"], {})
        return {"connectivityInfo": record.get("info", []), "message": ""}

    def update_connectivity(self, scope: Scope, params: Params) -> Params:
        """Implement UpdateConnectivityInfo."""
        records = self._store.region(scope).connectivity
        version = records.get(params["thingName"], {}).get("version", 0) + 1
        records[params["thingName"]] = {"info": params["connectivityInfo"], "version": version}
        return {"version": str(version), "message": ""}

    def associate_clients(self, scope: Scope, params: Params) -> Params:
        """Implement BatchAssociateClientDeviceWithCoreDevice."""
        clients = self._store.region(scope).client_devices.setdefault(
            params["coreDeviceThingName"], {}
        )
        for entry in params.get("entries", []):
            clients[entry["thingName"]] = now()
        return {"errorEntries": []}

    def disassociate_clients(self, scope: Scope, params: Params) -> Params:
        """Implement BatchDisassociateClientDeviceFromCoreDevice."""
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
        """Implement ListClientDevicesAssociatedWithCoreDevice."""
        clients = self._store.region(scope).client_devices.get(params["coreDeviceThingName"], {})
        listed = [
            {"thingName": thing, "associationTimestamp": since}
            for thing, since in sorted(clients.items())
        ]
        return page("associatedClientDevices", listed, params)


def _iso_now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
