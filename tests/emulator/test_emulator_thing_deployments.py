"""A deployment to one thing is a shadow that only nucleus classic reads."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local_aws.core_device.thing_deployments import ShadowDeployments
from testkit.waiting import HANG_SECONDS
from tests.emulator.device_client import Device, Mailbox

pytestmark = pytest.mark.emulator

NUCLEUS = {"aws.greengrass.Nucleus": {"componentVersion": "2.16.1"}}


@pytest.fixture
def shadow(device: Device) -> str:
    return f"$aws/things/{device.thing}/shadow/name/AWSManagedGreengrassV2Deployment"


@pytest.fixture
def mailbox(mqtt: Any, shadow: str) -> Iterator[Mailbox]:
    """The device's connection with the subscriptions of nucleus classic."""
    mqtt.connect().result(HANG_SECONDS)
    made = Mailbox(mqtt)
    made.subscribe(f"{shadow}/update/accepted")
    made.subscribe(f"{shadow}/get/accepted")
    yield made
    mqtt.disconnect().result(HANG_SECONDS)


@pytest.fixture
def deploy(device: Device, greengrass: Any, iot: Any) -> Any:
    arn = iot.describe_thing(thingName=device.thing)["thingArn"]

    def create(**more: Any) -> Any:
        return greengrass.create_deployment(targetArn=arn, components=NUCLEUS, **more)

    return create


def status(greengrass: Any, made: Any) -> str:
    return str(greengrass.get_deployment(deploymentId=made["deploymentId"])["deploymentStatus"])


def on_device(greengrass: Any, device: Device) -> dict[str, Any]:
    device.report()
    listed = greengrass.list_effective_deployments(coreDeviceThingName=device.thing)
    (only,) = listed["effectiveDeployments"]
    return dict(only)


def test_a_thing_receives_its_deployment_as_its_shadow_and_reports_there(
    device: Device, deploy: Any, greengrass: Any, mailbox: Mailbox, shadow: str
) -> None:
    made = deploy(deploymentName="one device")
    assert made.keys() - {"ResponseMetadata"} == {"deploymentId"}
    update, _ = mailbox.until(f"{shadow}/update/accepted")
    desired = update["state"]["desired"]
    assert desired["desiredStatus"] == "SUCCEEDED"
    document = json.loads(desired["fleetConfig"])
    assert document["deploymentId"] == made["deploymentId"]
    assert document["configurationArn"].endswith(f":configuration:thing/{device.thing}:1")
    assert status(greengrass, made) == "ACTIVE"
    assert on_device(greengrass, device)["coreDeviceExecutionStatus"] == "QUEUED"

    def report(reported: str, detailed: str | None = None, cause: str | None = None) -> None:
        details = {"detailedStatus": detailed, "failureCause": cause}
        state = {
            "fleetConfigurationArnForStatus": document["configurationArn"],
            "status": reported, "statusDetails": details, "ggcVersion": "2.16.1",
        }  # fmt: skip
        mailbox.publish(f"{shadow}/update", {"state": {"reported": state}})
        mailbox.until(f"{shadow}/update/accepted")

    report("IN_PROGRESS")
    assert on_device(greengrass, device)["coreDeviceExecutionStatus"] == "IN_PROGRESS"
    with pytest.raises(greengrass.exceptions.ConflictException, match="unfinished deployments"):
        greengrass.delete_core_device(coreDeviceThingName=device.thing)
    report("FAILED", "FAILED_NO_STATE_CHANGE", "no such version")
    failed = on_device(greengrass, device)
    assert (failed["coreDeviceExecutionStatus"], failed["reason"]) == ("FAILED", "no such version")
    assert "iotJobId" not in failed
    assert status(greengrass, made) == "FAILED"
    report("SUCCEEDED", "SUCCESSFUL")
    assert on_device(greengrass, device)["coreDeviceExecutionStatus"] == "COMPLETED"
    assert status(greengrass, made) == "COMPLETED"


def test_a_new_revision_replaces_the_shadow_and_a_cancellation_marks_it(
    device: Device, deploy: Any, greengrass: Any, mailbox: Mailbox, shadow: str
) -> None:
    first, second = deploy(), deploy()
    assert (status(greengrass, first), status(greengrass, second)) == ("INACTIVE", "ACTIVE")
    greengrass.cancel_deployment(deploymentId=second["deploymentId"])
    assert status(greengrass, second) == "CANCELED"
    assert on_device(greengrass, device)["coreDeviceExecutionStatus"] == "CANCELED"
    mailbox.publish(f"{shadow}/get", {})
    shadow_document, _ = mailbox.until(f"{shadow}/get/accepted")
    desired = shadow_document["state"]["desired"]
    assert desired["desiredStatus"] == "CANCELED"
    assert json.loads(desired["fleetConfig"])["deploymentId"] == second["deploymentId"]


def test_a_deployment_that_is_too_large_for_a_shadow_is_rejected(
    device: Device, greengrass: Any, iot: Any
) -> None:
    arn = iot.describe_thing(thingName=device.thing)["thingArn"]
    merge = json.dumps({"text": "x" * 8192})
    large = {"componentVersion": "2.16.1", "configurationUpdate": {"merge": merge}}
    with pytest.raises(greengrass.exceptions.ValidationException, match="shadow"):
        greengrass.create_deployment(targetArn=arn, components={"aws.greengrass.Nucleus": large})
    listed = greengrass.list_deployments(targetArn=arn)["deployments"]
    assert listed == []


def test_the_virtual_core_reads_and_answers_what_the_emulator_sends(
    device: Device, deploy: Any, greengrass: Any, mailbox: Mailbox, shadow: str
) -> None:
    core = ShadowDeployments(device.thing)
    assert core.topics == (f"{shadow}/update/accepted", f"{shadow}/get/accepted")
    made = deploy()
    update, _ = mailbox.until(core.topics[0])
    document = core.receive(update)
    assert document is not None
    assert document["deploymentId"] == made["deploymentId"]
    for reported in ("IN_PROGRESS", "SUCCEEDED"):
        mailbox.publish(*core.report(document, reported, "SUCCESSFUL", "", "2.16.1"))
        answer, _ = mailbox.until(core.topics[0])
        assert core.receive(answer) is None
    assert status(greengrass, made) == "COMPLETED"
    mailbox.publish(core.get_topic, {})
    answer, _ = mailbox.until(core.topics[1])
    assert ShadowDeployments(device.thing).receive(answer) is None
