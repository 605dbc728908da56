"""Jobs in Greengrass' namespace have separate topics and a separate queue."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from awscrt.mqtt import QoS
from awsiot import mqtt_connection_builder

from local_aws.devices.job_topics import NEXT, job_topic, next_job_topic
from testkit.waiting import HANG_SECONDS
from tests.emulator.device_client import Device, Mailbox, own_policy
from tests.emulator.running_emulator import Emulator

pytestmark = pytest.mark.emulator


@pytest.fixture
def jobs(device: Device) -> str:
    return f"$aws/things/{device.thing}/jobs"


@pytest.fixture
def mailbox(mqtt: Any, jobs: str) -> Iterator[Mailbox]:
    """The device's connection with subscriptions to all topics of its jobs."""
    mqtt.connect().result(HANG_SECONDS)
    made = Mailbox(mqtt)
    made.subscribe(f"{jobs}/#")
    yield made
    mqtt.disconnect().result(HANG_SECONDS)


@pytest.fixture
def other_job(iot: Any, device: Device, unique: str) -> str:
    """The id of a job without a namespace."""
    thing_arn = iot.describe_thing(thingName=device.thing)["thingArn"]
    iot.create_job(jobId=f"own-{unique}", targets=[thing_arn], document='{"own": true}')
    return f"own-{unique}"


def test_a_deployment_is_notified_in_its_namespace_only(
    device: Device, greengrass: Any, iot: Any, mailbox: Mailbox, jobs: str
) -> None:
    made = greengrass.create_deployment(targetArn=device.group_arn, components={})
    assert iot.describe_job(jobId=made["iotJobId"])["job"]["namespaceId"] == "aws-gg-deployment"
    notified, before = mailbox.until(next_job_topic(device.thing))
    assert notified["execution"]["jobId"] == made["iotJobId"]
    assert before == {f"{jobs}/notify-namespace-aws-gg-deployment"}

    mailbox.publish(job_topic(device.thing, made["iotJobId"], "update"), {"status": "SUCCEEDED"})
    emptied, before = mailbox.until(next_job_topic(device.thing))
    assert "execution" not in emptied
    assert not before & {f"{jobs}/notify", f"{jobs}/notify-next"}


def test_the_next_deployment_is_requested_with_the_namespace(
    device: Device, greengrass: Any, mailbox: Mailbox
) -> None:
    next_topic = job_topic(device.thing, NEXT, "get")
    mailbox.publish(next_topic, {"clientToken": "nothing yet"})
    answer, _ = mailbox.until(f"{next_topic}/accepted")
    assert answer.keys() == {"clientToken", "timestamp"}

    made = greengrass.create_deployment(targetArn=device.group_arn, components={})
    mailbox.publish(next_topic, {"jobId": NEXT, "includeJobDocument": True, "clientToken": "token"})
    answer, _ = mailbox.until(f"{next_topic}/accepted")
    assert answer["clientToken"] == "token"
    execution = answer["execution"]
    assert (execution["jobId"], execution["status"]) == (made["iotJobId"], "QUEUED")
    assert execution["jobDocument"]["deploymentId"] == made["deploymentId"]

    update = job_topic(device.thing, made["iotJobId"], "update")
    mailbox.publish(update, {"status": "IN_PROGRESS", "clientToken": "begun"})
    answer, _ = mailbox.until(f"{update}/accepted")
    assert answer["clientToken"] == "begun"
    mailbox.publish(update, {"status": "QUEUED", "clientToken": "not a device's"})
    answer, _ = mailbox.until(f"{update}/rejected")
    assert (answer["clientToken"], answer["code"]) == ("not a device's", "InvalidStateTransition")


def test_topics_without_a_namespace_do_not_deliver_deployments(
    aws: Emulator, device: Device, greengrass: Any, mailbox: Mailbox, jobs: str
) -> None:
    made = greengrass.create_deployment(targetArn=device.group_arn, components={})
    mailbox.publish(f"{jobs}/$next/get", {})
    answer, _ = mailbox.until(f"{jobs}/$next/get/accepted")
    assert "execution" not in answer
    mailbox.publish(f"{jobs}/get", {})
    answer, _ = mailbox.until(f"{jobs}/get/accepted")
    assert (answer["queuedJobs"], answer["inProgressJobs"]) == ([], [])
    for verb in ("get", "update"):
        topic = f"{jobs}/{made['iotJobId']}/{verb}"
        mailbox.publish(topic, {"status": "SUCCEEDED", "clientToken": "token"})
        answer, _ = mailbox.until(f"{topic}/rejected")
        assert (answer["code"], answer["clientToken"]) == ("ResourceNotFound", "token")
    pending = aws.client("iot-jobs-data").get_pending_job_executions(thingName=device.thing)
    assert pending["queuedJobs"] == []


def test_other_jobs_do_not_delay_a_deployment(
    device: Device, greengrass: Any, mailbox: Mailbox, other_job: str, jobs: str
) -> None:
    notified, before = mailbox.until(f"{jobs}/notify-next")
    assert notified["execution"]["jobId"] == other_job
    assert before == {f"{jobs}/notify"}
    made = greengrass.create_deployment(targetArn=device.group_arn, components={})
    notified, _ = mailbox.until(next_job_topic(device.thing))
    assert notified["execution"]["jobId"] == made["iotJobId"]
    mailbox.publish(f"{jobs}/$next/get", {})
    answer, before = mailbox.until(f"{jobs}/$next/get/accepted")
    assert answer["execution"]["jobId"] == other_job
    assert not before & {f"{jobs}/notify", f"{jobs}/notify-next"}
    topic = job_topic(device.thing, other_job, "get")
    mailbox.publish(topic, {})
    answer, _ = mailbox.until(f"{topic}/rejected")
    assert answer["code"] == "ResourceNotFound"


@pytest.mark.parametrize("body", ["", "[]", "{", '{"status": 1}'])
def test_invalid_requests_are_rejected_in_the_namespace(
    device: Device, mailbox: Mailbox, greengrass: Any, body: str
) -> None:
    made = greengrass.create_deployment(targetArn=device.group_arn, components={})
    topic = job_topic(device.thing, made["iotJobId"], "update")
    mailbox.publish(topic, body)
    answer, _ = mailbox.until(f"{topic}/rejected")
    assert answer["code"] in {"InvalidJson", "InvalidRequest"}


@pytest.mark.parametrize("suffix", ["notify-next-{}", "$next/{}/get/accepted"])
def test_a_device_cannot_forge_a_notification(
    device: Device, mqtt_settings: dict[str, Any], suffix: str
) -> None:
    """A device cannot publish a notification.

    AWS IoT closes the connection of a client that publishes on reserved reply topics.
    """
    closed = threading.Event()
    mqtt = mqtt_connection_builder.mtls_from_path(
        **mqtt_settings, on_connection_interrupted=lambda **_: closed.set()
    )
    mqtt.connect().result(HANG_SECONDS)
    topic = f"$aws/things/{device.thing}/jobs/{suffix.format('namespace-aws-gg-deployment')}"
    mqtt.publish(topic, "{}", QoS.AT_MOST_ONCE)
    assert closed.wait(HANG_SECONDS)
    mqtt.disconnect().result(HANG_SECONDS)


def test_the_projects_policy_permits_the_topics_of_deployments(
    device: Device, iot: Any, greengrass: Any, mailbox: Mailbox
) -> None:
    policy = f"{device.thing}-own"
    iot.create_policy(policyName=policy, policyDocument=own_policy())
    iot.attach_thing_principal(
        thingName=device.thing,
        principal=device.certificate_arn,
        thingPrincipalType="EXCLUSIVE_THING",
    )
    iot.attach_policy(policyName=policy, target=device.certificate_arn)
    iot.detach_policy(policyName=device.thing, target=device.certificate_arn)
    made = greengrass.create_deployment(targetArn=device.group_arn, components={})
    mailbox.until(next_job_topic(device.thing))
    for topic in (
        job_topic(device.thing, NEXT, "get"),
        job_topic(device.thing, made["iotJobId"], "update"),
    ):
        mailbox.publish(topic, {"status": "SUCCEEDED"})
        mailbox.until(f"{topic}/accepted")
