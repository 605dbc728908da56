"""Delivery of deployments to devices: an IoT job for a thing group, or a shadow for one thing.

Sources: botocore's model of Greengrass; the examples of the AWS CLI, in which a deployment to a
thing has no job; aws-greengrass-nucleus, ShadowDeploymentListener.
"""

import json
import uuid
from typing import Any, Protocol

from local_aws.account_region import Scope
from local_aws.devices.job_topics import GREENGRASS_NAMESPACE
from local_aws.services.greengrass.arns import DeploymentTarget, parse_target
from local_aws.services.greengrass.ports import CloudServices

Params = dict[str, Any]
Record = dict[str, Any]

DEPLOYMENT_SHADOW = "AWSManagedGreengrassV2Deployment"
_JOB_MEMBERS = ("jobExecutionsRolloutConfig", "abortConfig", "timeoutConfig")
_UNFINISHED = frozenset({"QUEUED", "IN_PROGRESS"})


class DeploymentDelivery(Protocol):
    """A delivery of deployments to devices: the interface of `JobDelivery` and `ShadowDelivery`."""

    async def send(self, scope: Scope, record: Record, document: Params) -> None:
        """Send a deployment to the devices of its target."""

    async def cancel(self, scope: Scope, record: Record) -> None:
        """Cancel a deployment on the devices that have not finished it."""

    async def supersede(self, scope: Scope, record: Record) -> None:
        """Cancel a deployment after its successor has been sent."""

    def status(self, scope: Scope, record: Record) -> str:
        """Return the status of a deployment that was neither cancelled nor superseded."""

    def execution(self, scope: Scope, record: Record, thing: str) -> Record | None:
        """Return ``status``, ``statusDetails`` and ``lastUpdatedAt`` (ms) for a thing, or None."""


class JobDelivery:
    """Delivery to thing groups by IoT jobs, which new members also receive."""

    def __init__(self, cloud: CloudServices) -> None:
        self._cloud = cloud

    async def send(self, scope: Scope, record: Record, document: Params) -> None:
        """Create the job of a deployment."""
        configuration = record["iotJobConfiguration"]
        request: Params = {
            "targets": [record["targetArn"]],
            "targetSelection": "CONTINUOUS",
            "document": json.dumps(document),
            "namespaceId": GREENGRASS_NAMESPACE,
            "description": "Greengrass deployment "
            + (record["deploymentName"] or record["deploymentId"]),
            **{name: configuration[name] for name in _JOB_MEMBERS if name in configuration},
        }
        await self._cloud.create_job(scope, record["iotJobId"], request)

    async def cancel(self, scope: Scope, record: Record) -> None:
        """Cancel the job of a deployment."""
        await self._cloud.cancel_job(scope, record["iotJobId"])

    async def supersede(self, scope: Scope, record: Record) -> None:
        """Cancel the job of a superseded deployment."""
        await self.cancel(scope, record)

    def status(self, scope: Scope, record: Record) -> str:
        """Return the status of a deployment from the status of its job."""
        job = self._cloud.job(scope, record["iotJobId"])
        if job is None or job.status == "CANCELED":
            return "CANCELED"
        return "COMPLETED" if job.status == "COMPLETED" else "ACTIVE"

    def execution(self, scope: Scope, record: Record, thing: str) -> Record | None:
        """Return the execution of the job on a thing; None if it does not exist."""
        return self._cloud.job_execution(scope, record["iotJobId"], thing)


class ShadowDelivery:
    """Delivery to one thing as the desired state of a named shadow.

    Only the classic nucleus reads the shadow. The status FAILED after a failure is an assumption,
    because AWS does not document it.
    """

    def __init__(self, cloud: CloudServices) -> None:
        self._cloud = cloud

    async def send(self, scope: Scope, record: Record, document: Params) -> None:
        """Set the desired state, which replaces the previous deployment."""
        desired = {"fleetConfig": json.dumps(document), "desiredStatus": "SUCCEEDED"}
        await self._cloud.update_shadow(scope, _thing(scope, record), DEPLOYMENT_SHADOW, desired)

    async def cancel(self, scope: Scope, record: Record) -> None:
        """Set the desired status to cancelled, unless the device has finished the deployment."""
        if self._status(scope, record) in _UNFINISHED:
            desired = {"desiredStatus": "CANCELED"}
            thing = _thing(scope, record)
            await self._cloud.update_shadow(scope, thing, DEPLOYMENT_SHADOW, desired)

    async def supersede(self, scope: Scope, record: Record) -> None:
        """Do nothing: the shadow already contains the successor."""

    def status(self, scope: Scope, record: Record) -> str:
        """Return the status of a deployment from the report of the device."""
        status = self._status(scope, record)
        if status in _UNFINISHED:
            return "ACTIVE"
        return "COMPLETED" if status == "SUCCEEDED" else "FAILED"

    def execution(self, scope: Scope, record: Record, thing: str) -> Record | None:
        """Return the report of the target thing; None for other things."""
        if thing != _thing(scope, record):
            return None
        reported, updated = self._reported(scope, record)
        details = reported.get("statusDetails") or {}
        names = {
            "detailed-deployment-status": details.get("detailedStatus"),
            "deployment-failure-cause": details.get("failureCause"),
        }
        return {
            "status": self._status(scope, record),
            "statusDetails": {name: value for name, value in names.items() if value},
            "lastUpdatedAt": updated or record["created"] * 1000,
        }

    def _status(self, scope: Scope, record: Record) -> str:
        if record["state"] == "CANCELED":
            return "CANCELED"
        return str(self._reported(scope, record)[0].get("status") or "QUEUED")

    def _reported(self, scope: Scope, record: Record) -> tuple[Params, float]:
        """Return the device's report about a deployment, and the report's time in ms.

        Without a report about this deployment, the result is an empty object and 0.
        """
        shadow = self._cloud.shadow(scope, _thing(scope, record), DEPLOYMENT_SHADOW)
        reported = shadow.state.get("reported") or {}
        if reported.get("fleetConfigurationArnForStatus") != record["configurationArn"]:
            return {}, 0
        return reported, shadow.reported_ms


class Deliveries:
    """A selector of the delivery for each deployment: by a job or by a shadow."""

    def __init__(self, cloud: CloudServices) -> None:
        self._jobs, self._shadows = JobDelivery(cloud), ShadowDelivery(cloud)

    def of(self, record: Record) -> DeploymentDelivery:
        """Return the delivery for a deployment."""
        return self._jobs if "iotJobId" in record else self._shadows


def job_id(target: DeploymentTarget) -> Params:
    """Return the job id as a member of a new record; empty if the target is not a thing group."""
    return {"iotJobId": str(uuid.uuid4())} if target.kind == "thinggroup" else {}


def job_members(scope: Scope, record: Record) -> Params:
    """Return the id and ARN of a deployment's job for a response; empty without a job."""
    if "iotJobId" not in record:
        return {}
    arn = f"arn:aws:iot:{scope.region}:{scope.account}:job/{record['iotJobId']}"
    return {"iotJobId": record["iotJobId"], "iotJobArn": arn}


def _thing(scope: Scope, record: Record) -> str:
    return parse_target(scope, record["targetArn"]).name
