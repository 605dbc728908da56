"""The fleet status message of a core device.

Source: aws-greengrass-nucleus, FleetStatusService.
"""

import time
from collections.abc import Iterable
from typing import Any

from local_aws.core_device.cloud import architecture
from local_aws.core_device.components import GGC_VERSION, Component
from local_aws.core_device.errors import DeploymentFailed


def status_message(
    thing: str,
    sequence: int,
    running: Iterable[Component],
    document: dict[str, Any],
) -> dict[str, Any]:
    """Tell every component's state; `document` is the deployment that they come from."""
    components = list(running)
    arn = document.get("configurationArn", "")
    broken = any(one.status in {"ERRORED", "BROKEN"} for one in components)
    return {
        "ggcVersion": GGC_VERSION,
        "platform": "linux",
        "architecture": architecture(),
        "thing": thing,
        "overallDeviceStatus": "UNHEALTHY" if broken else "HEALTHY",
        "sequenceNumber": sequence,
        "timestamp": int(time.time() * 1000),
        "messageType": "COMPLETE",
        "components": [
            {
                "componentName": one.name,
                "version": one.version,
                "fleetConfigArns": [arn] if arn else [],
                "isRoot": one.name in document.get("components", {}),
                "status": one.status,
                "componentStatusDetails": {"statusCodes": [], "statusReason": one.reason},
            }
            for one in components
        ],
    }


def outcome(
    document: dict[str, Any], detail: str, failure: DeploymentFailed | None
) -> dict[str, Any]:
    """Tell how a deployment ended, for the status message."""
    return {
        "status": "FAILED" if failure else "SUCCEEDED",
        "fleetConfigurationArnForStatus": document.get("configurationArn", ""),
        "statusDetails": {
            "detailedStatus": detail,
            "errorStack": failure.error_stack if failure else [],
            "errorTypes": failure.error_types if failure else [],
            "failureCause": str(failure) if failure else "",
        },
    }
