"""The API returns the content of health messages from nucleus lite."""

import time
from typing import Any

import pytest

from tests.emulator.device_client import Device

pytestmark = pytest.mark.emulator


def component(name: str, status: str, version: str = "1.2.3") -> dict[str, Any]:
    return {
        "componentName": name, "version": version, "fleetConfigArns": [], "isRoot": True,
        "status": status,
    }  # fmt: skip


def installed(greengrass: Any, device: Device) -> dict[str, str]:
    listed = greengrass.list_installed_components(coreDeviceThingName=device.thing)
    return {
        component["componentName"]: component["lifecycleState"]
        for component in listed["installedComponents"]
    }


def test_the_installed_components_follow_the_messages_of_a_lite_device(
    device: Device, greengrass: Any
) -> None:
    launched_ms = int(time.time() * 1000)

    def report(number: int, *components: dict[str, Any], **more: Any) -> None:
        device.report(
            **{
                "runtime": "aws_nucleus_lite",
                "sequenceNumber": number,
                "timestamp": launched_ms + number,
                "messageType": "PARTIAL",
                "trigger": "COMPONENT_STATUS_CHANGE",
                "components": list(components),
                "deploymentInformation": {},
                **more,
            }
        )

    report(
        1, component("camera", "RUNNING"), component("model", "FINISHED"),
        messageType="COMPLETE", trigger="NUCLEUS_LAUNCH",
    )  # fmt: skip
    core = greengrass.get_core_device(coreDeviceThingName=device.thing)
    assert core["runtime"] == "aws_nucleus_lite"
    assert installed(greengrass, device) == {"camera": "RUNNING", "model": "FINISHED"}

    report(3, component("model", "UNINSTALLED", version=""), trigger="THING_GROUP_DEPLOYMENT")
    assert installed(greengrass, device) == {"camera": "RUNNING"}
    report(
        2, component("camera", "BROKEN"), component("model", "BROKEN"),
        overallDeviceStatus="UNHEALTHY",
    )  # fmt: skip
    assert installed(greengrass, device) == {"camera": "BROKEN"}
    core = greengrass.get_core_device(coreDeviceThingName=device.thing)
    assert core["status"] == "HEALTHY"


def test_a_message_that_is_not_a_health_message_changes_nothing(
    device: Device, greengrass: Any
) -> None:
    device.report(components=[component("camera", "RUNNING")])
    device.report(components=["camera"])
    device.report(components=[{"version": "1.2.3"}])
    assert installed(greengrass, device) == {"camera": "RUNNING"}
