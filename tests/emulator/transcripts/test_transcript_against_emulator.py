"""The emulator sends the messages of the cloud in a real lite device's transcript.

The test plays the device.
"""

import base64
import json
from typing import Any

import pytest

from testkit.waiting import eventually
from tests.emulator.device_client import Device
from tests.emulator.transcripts.device_player import DevicePlayer
from tests.emulator.transcripts.lite_fleet import ARTIFACT, VERSION, operate

pytestmark = pytest.mark.emulator


def test_the_emulator_serves_a_lite_device_as_the_transcript_states(
    player: DevicePlayer, device: Device, greengrass: Any
) -> None:
    name = player.bindings["component"]
    thing = {"coreDeviceThingName": device.thing}
    deployments: list[str] = []

    def installed() -> dict[str, str]:
        listed = greengrass.list_installed_components(**thing)["installedComponents"]
        return {component["componentName"]: component["lifecycleState"] for component in listed}

    def outcomes() -> dict[str, str]:
        listed = greengrass.list_effective_deployments(**thing)["effectiveDeployments"]
        return {
            deployment["deploymentId"]: deployment["coreDeviceExecutionStatus"]
            for deployment in listed
        }

    for event in player.play():
        if made := operate(event, device, greengrass):
            deployments.append(made)
        elif event["do"] == "crash":
            assert player.bindings["deployment1"] == deployments[0]
            assert outcomes() == {deployments[0]: "SUCCEEDED"}
            assert installed() == {name: "RUNNING"}
        else:
            eventually(lambda: installed() == {name: "ERRORED"}, installed)

    eventually(lambda: outcomes() == {deployments[1]: "SUCCEEDED"}, outcomes)
    assert installed() == {}
    core = greengrass.get_core_device(**thing)
    assert (core["runtime"], core["status"]) == ("aws_nucleus_lite", "HEALTHY")
    assert player.downloads == [ARTIFACT]
    assert player.bindings["deployment2"] == deployments[1]
    served = json.loads(base64.b64decode(player.bindings["recipe"]))
    assert (served["ComponentName"], served["ComponentVersion"]) == (name, VERSION)
    others = {topic for topic, _ in player.unexpected}
    assert others <= {f"$aws/things/{device.thing}/jobs/notify-next-namespace-aws-gg-deployment"}, (
        player.unexpected
    )
