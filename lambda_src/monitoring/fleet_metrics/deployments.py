"""Deployments that failed on a core device, as Greengrass tells EventBridge.

Source: AWS IoT Greengrass V2 Developer Guide, "Device deployment notifications" (best effort; a
notification may come twice).
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3

from fleet_metrics.emf import Line
from fleet_metrics.reading import word


def failed_deployment(event: dict[str, Any], deployment_name: str, now_ms: int) -> Iterator[Line]:
    """Yield the line of a failure of this environment's own deployments, and of no other's."""
    detail = event["detail"]
    found = _greengrass().get_deployment(deploymentId=detail["deploymentId"])
    if found.get("deploymentName") == deployment_name:
        # arn:aws:greengrass:region:account:coreDevices:thing
        thing = next((arn.rsplit(":", 1)[-1] for arn in event.get("resources", [])), "unknown")
        said = {
            "kind": "failed-deployment",
            "thing": thing,
            "deployment": detail["deploymentId"],
            "status": word(detail, "coreDeviceExecutionStatus"),
            "reason": word(detail, "reason", "no reason was given"),
        }
        yield Line(now_ms, {"FailedDeployments": (1, "Count")}, said)


@cache
def _greengrass() -> Any:
    return boto3.client("greengrassv2")
