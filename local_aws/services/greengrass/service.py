"""The service Greengrass V2: all operations of the API model, by name."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from local_aws.account_region import Scope
from local_aws.authorization.checks import Authorize, Check, checks
from local_aws.errors import ServiceError
from local_aws.service_protocol import Request, Response, ServiceProtocol
from local_aws.services.greengrass.account import AccountSettings
from local_aws.services.greengrass.components import Components, unusable_artifact
from local_aws.services.greengrass.deployments import Deployments
from local_aws.services.greengrass.devices import Devices
from local_aws.services.greengrass.ports import CloudServices
from local_aws.services.greengrass.resolution import Resolution
from local_aws.services.greengrass.store import GreengrassStore
from local_aws.services.greengrass.subjects import CallSubjects
from local_aws.services.greengrass.tags import Tags

Params = dict[str, Any]
Operation = Callable[[Scope, Params], Params | Awaitable[Params]]


class Greengrass:
    """The control plane and data plane of Greengrass V2."""

    def __init__(self, cloud: CloudServices, creation_seconds: float = 0.0) -> None:
        """Create the operations; versions become deployable after `creation_seconds`."""
        self.store = GreengrassStore()
        components = Components(self.store, cloud, creation_seconds)
        deployments = Deployments(self.store, cloud, components)
        self.devices = Devices(self.store, cloud, deployments)
        tags = Tags(components, deployments, self.devices)
        account = AccountSettings(self.store)
        self.operations: dict[str, Operation] = {
            "AssociateServiceRoleToAccount": account.associate_role,
            "BatchAssociateClientDeviceWithCoreDevice": account.associate_clients,
            "BatchDisassociateClientDeviceFromCoreDevice": account.disassociate_clients,
            "CancelDeployment": deployments.cancel,
            "CreateComponentVersion": components.create,
            "CreateDeployment": deployments.create,
            "DeleteComponent": components.delete,
            "DeleteCoreDevice": self.devices.delete,
            "DeleteDeployment": deployments.delete,
            "DescribeComponent": components.describe,
            "DisassociateServiceRoleFromAccount": account.disassociate_role,
            "GetComponent": components.get,
            "GetComponentVersionArtifact": components.artifact,
            "GetConnectivityInfo": account.get_connectivity,
            "GetCoreDevice": self.devices.get,
            "GetDeployment": deployments.get,
            "GetServiceRoleForAccount": account.get_role,
            "ListClientDevicesAssociatedWithCoreDevice": account.list_clients,
            "ListComponentVersions": components.list_versions,
            "ListComponents": components.list_components,
            "ListCoreDevices": self.devices.list_devices,
            "ListDeployments": deployments.list_deployments,
            "ListEffectiveDeployments": self.devices.effective,
            "ListInstalledComponents": self.devices.installed,
            "ListTagsForResource": tags.list_tags,
            "ResolveComponentCandidates": Resolution(components).resolve,
            "TagResource": tags.tag,
            "UntagResource": tags.untag,
            "UpdateConnectivityInfo": account.update_connectivity,
        }
        self.protocol = ServiceProtocol("greengrassv2", self.operations)
        self._subjects = CallSubjects(cloud, deployments, self.devices, tags)

    async def respond(self, scope: Scope, request: Request, authorize: Authorize) -> Response:
        """Respond to an HTTP request in an account and Region, if its caller is authorized."""
        try:
            call = self.protocol.read(request)
            for check in checks(f"greengrass:{call.operation}", self._subjects.of(scope, call)):
                _authorize(authorize, check)
            result = self.operations[call.operation](scope, call.params)
            if inspect.isawaitable(result):
                result = await result
        except ServiceError as error:
            return self.protocol.write_error(error)
        return self.protocol.write(call.operation, result)


def _authorize(authorize: Authorize, check: Check) -> None:
    """Perform one check; report a denied s3:GetObject as an unusable artifact."""
    try:
        authorize(check)
    except ServiceError as error:
        if check.action != "s3:GetObject":
            raise
        raise unusable_artifact(check.resource.replace("arn:aws:s3:::", "s3://")) from error
