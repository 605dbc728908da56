"""Failed deployments of core devices, from the notifications of Greengrass.

Source: AWS IoT Greengrass V2 Developer Guide, "Device deployment notifications" (best effort; a
notification can be delivered twice).
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from fleet_metrics.emf import MetricsLine
from fleet_metrics.json_access import text

# The tag whose value starts with the ARN of the stack that owns the deployment.
_OWNER_TAG = "deeplens:owner"


def failed_deployment(
    event: dict[str, Any], release_stack: str, now_ms: int
) -> Iterator[MetricsLine]:
    """Yield the line of a failed deployment if the release's stack owns the deployment.

    The owner is in the deployment's tags, not in the event. If the tags cannot be read, the failure
    is counted, because a superfluous alarm is better than a missing alarm. A deleted deployment is
    not counted.
    """
    detail = event["detail"]
    # The format is arn:aws:greengrass:region:account:coreDevices:thing.
    device = next(iter(event.get("resources", [])), "")
    properties = {
        "kind": "failed-deployment",
        "thing": device.rsplit(":", 1)[-1] or "unknown",
        "deployment": detail["deploymentId"],
        "status": text(detail, "coreDeviceExecutionStatus"),
        "reason": text(detail, "reason", "no reason was given"),
    }
    try:
        if not _belongs_to(release_stack, device, detail["deploymentId"]):
            return
    except (ClientError, BotoCoreError) as error:
        properties["owner"] = f"unknown: {error}"
    yield MetricsLine(now_ms, {"FailedDeployments": (1, "Count")}, properties)


def _belongs_to(stack: str, device: str, deployment_id: str) -> bool:
    """Return whether the deployment exists and the stack owns it."""
    account = device.partition(":coreDevices:")[0]
    client = _greengrass()
    try:
        response = client.list_tags_for_resource(
            resourceArn=f"{account}:deployments:{deployment_id}"
        )
    except client.exceptions.ResourceNotFoundException:
        return False
    return f":stack/{stack}/" in response["tags"].get(_OWNER_TAG, "")


@cache
def _greengrass() -> Any:
    return boto3.client("greengrassv2")
