"""Core devices, with the state that their health messages and job executions report."""

import re
from typing import Any

from local_aws import json_text
from local_aws.account_region import Scope
from local_aws.errors import ConflictError, NotFoundError
from local_aws.services.greengrass import health
from local_aws.services.greengrass.arns import parse_target
from local_aws.services.greengrass.delivery import job_members
from local_aws.services.greengrass.deployments import Deployments
from local_aws.services.greengrass.paging import page
from local_aws.services.greengrass.ports import CloudServices
from local_aws.services.greengrass.store import GreengrassStore

Params = dict[str, Any]
Record = dict[str, Any]
HEALTH_TOPIC = re.compile(r"\$aws/things/(?P<thing>[^/]+)/greengrassv2/health/json")


class Devices:
    """The operations on core devices."""

    def __init__(
        self, store: GreengrassStore, cloud: CloudServices, deployments: Deployments
    ) -> None:
        self._store = store
        self._cloud = cloud
        self._deployments = deployments

    def receive(self, scope: Scope, topic: str, payload: bytes) -> None:
        """Process a health message of a device; ignore other messages."""
        match = HEALTH_TOPIC.fullmatch(topic)
        if match is None:
            return
        try:
            message = json_text.parse(payload)
        except ValueError:
            return
        if not health.is_health_message(message):
            return
        devices = self._store.region(scope).core_devices
        record = devices.setdefault(match["thing"], health.new_record())
        report = health.apply(record, message)
        if report is not None:
            self._put_event(scope, match["thing"], report)

    def get(self, scope: Scope, params: Params) -> Params:
        """Implement GetCoreDevice."""
        record = self._record(scope, params)
        return {
            **_device(params["coreDeviceThingName"], record),
            "coreVersion": record.get("version", ""),
            "tags": record["tags"],
        }

    def list_devices(self, scope: Scope, params: Params) -> Params:
        """Implement ListCoreDevices; a thing group selects members that finished its deployment.

        A member is selected if the latest deployment of the group succeeded on the member.
        """
        region = self._store.region(scope)
        listed = [
            _device(thing, record)
            for thing, record in sorted(region.core_devices.items())
            if params.get("status") in (None, record["status"])
            and params.get("runtime") in (None, record["runtime"])
            and self._finished_deployment_of(scope, thing, params.get("thingGroupArn"))
        ]
        return page("coreDevices", listed, params)

    def delete(self, scope: Scope, params: Params) -> Params:
        """Implement DeleteCoreDevice, which does not change the thing or its certificate."""
        self._record(scope, params)
        thing = params["coreDeviceThingName"]
        unfinished = [
            deployment["deploymentId"]
            for deployment, status, _ in self._effective(scope, thing)
            if status in ("QUEUED", "IN_PROGRESS")
        ]
        if unfinished:
            raise ConflictError(
                "CORE_DEVICE",
                thing,
                f"Core device {thing} has unfinished deployments: {unfinished}.",
            )
        del self._store.region(scope).core_devices[thing]
        return {}

    def installed(self, scope: Scope, params: Params) -> Params:
        """Implement ListInstalledComponents."""
        record = self._record(scope, params)
        roots_only = params.get("topologyFilter", "ROOT") == "ROOT"
        listed = [
            component
            for _, component in sorted(record["components"].items())
            if component["isRoot"] or not roots_only
        ]
        return page("installedComponents", listed, params)

    def effective(self, scope: Scope, params: Params) -> Params:
        """Implement ListEffectiveDeployments: the latest deployment of each target."""
        thing = params["coreDeviceThingName"]
        record = self._record(scope, params)
        listed = [
            _effective_deployment(scope, deployment, status, execution,
                                  record["reports"].get(deployment["configurationArn"], {}))
            for deployment, status, execution in self._effective(scope, thing)
        ]  # fmt: skip
        return page("effectiveDeployments", listed, params)

    def effective_deployments(self, scope: Scope, thing: str) -> list[Record]:
        """Return the latest deployments of a thing, even if the thing is not a core device."""
        return [deployment for deployment, _, _ in self._effective(scope, thing)]

    def record(self, scope: Scope, thing: str) -> Record | None:
        """Return the record of a core device; None for a thing without a health message."""
        return self._store.region(scope).core_devices.get(thing)

    def _record(self, scope: Scope, params: Params) -> Record:
        record = self.record(scope, params["coreDeviceThingName"])
        if record is None:
            raise NotFoundError("CORE_DEVICE", params["coreDeviceThingName"])
        return record

    def _effective(self, scope: Scope, thing: str) -> list[tuple[Record, str, Record]]:
        effective = []
        for deployment in self._deployments.records(scope):
            if not self._deployments.is_latest(scope, deployment):
                continue
            execution = self._deployments.execution(scope, deployment, thing)
            if execution is not None:
                effective.append((deployment, _execution_status(deployment, execution), execution))
        return effective

    def _put_event(self, scope: Scope, thing: str, report: Record) -> None:
        """Send an event to the event bus: the result of a deployment on a device.

        Source: AWS IoT Greengrass V2 Developer Guide, "Device deployment notifications".
        """
        for deployment, status, execution in self._effective(scope, thing):
            if deployment["configurationArn"] == report.get("fleetConfigurationArnForStatus"):
                effective = _effective_deployment(scope, deployment, status, execution, report)
                detail = {
                    "deploymentId": effective["deploymentId"],
                    "coreDeviceExecutionStatus": report.get("status", status),
                    "statusDetails": effective["statusDetails"],
                    "reason": effective["reason"],
                }
                arn = f"arn:aws:greengrass:{scope.region}:{scope.account}:coreDevices:{thing}"
                self._cloud.put_event(
                    scope, "Greengrass V2 Effective Deployment Status Change", arn, detail
                )

    def _finished_deployment_of(self, scope: Scope, thing: str, group_arn: str | None) -> bool:
        if group_arn is None:
            return True
        group = parse_target(scope, group_arn)
        in_group = group.name in self._cloud.thing_groups(scope, thing)
        return in_group and any(
            deployment["targetArn"] == group_arn and status == "SUCCEEDED"
            for deployment, status, _ in self._effective(scope, thing)
        )


def _execution_status(deployment: Record, execution: Record) -> str:
    status = str(execution["status"])
    if status == "SUCCEEDED" and ":thing/" in deployment["targetArn"]:
        return "COMPLETED"
    return "CANCELED" if status == "REMOVED" else status


def _effective_deployment(
    scope: Scope, deployment: Record, status: str, execution: Record, report: Record
) -> Params:
    details = execution.get("statusDetails") or {}
    reported = report.get("statusDetails") or {}
    detailed = details.get("detailed-deployment-status") or reported.get("detailedStatus")
    reason = (
        details.get("deployment-failure-cause") or reported.get("failureCause") or detailed or ""
    )
    return {
        "deploymentId": deployment["deploymentId"],
        "deploymentName": deployment["deploymentName"],
        **job_members(scope, deployment),
        "targetArn": deployment["targetArn"],
        "coreDeviceExecutionStatus": status,
        "reason": reason,
        "creationTimestamp": deployment["created"],
        "modifiedTimestamp": execution["lastUpdatedAt"] / 1000,
        "statusDetails": {
            "errorStack": list(
                reported.get("errorStack") or _list(details, "deployment-error-stack")
            ),
            "errorTypes": list(
                reported.get("errorTypes") or _list(details, "deployment-error-types")
            ),
        },
    }


def _list(details: dict[str, str], key: str) -> list[str]:
    text = details.get(key, "").strip("[] ")
    return [item.strip(" \"'") for item in text.split(",") if item.strip()]


def _device(thing: str, record: Record) -> Params:
    return {
        "coreDeviceThingName": thing,
        "status": record["status"],
        "lastStatusUpdateTimestamp": record["updated"],
        "platform": record["platform"],
        "architecture": record["architecture"],
        "runtime": record["runtime"],
    }
