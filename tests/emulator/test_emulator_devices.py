"""Core devices: HTTPS endpoint, health and deployment status."""

import json
import queue
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from awscrt.exceptions import AwsCrtError
from awscrt.mqtt import QoS
from awsiot import mqtt_connection_builder
from botocore.exceptions import ClientError

from local_aws.devices.job_topics import job_topic, next_job_topic
from testkit.waiting import HANG_SECONDS
from tests.emulator.device_client import Device, own_policy
from tests.emulator.running_emulator import ACCOUNT, REGION, Emulator, policy

pytestmark = pytest.mark.emulator

TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "credentials.iot.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@pytest.fixture
def role_alias(aws: Emulator, iot: Any, unique: str) -> str:
    role = aws.client("iam").create_role(
        RoleName=unique, AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    reads = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    aws.client("iam").put_role_policy(
        RoleName=unique, PolicyName="own", PolicyDocument=policy(reads)
    )
    iot.create_role_alias(roleAlias=unique, roleArn=role, credentialDurationSeconds=900)
    return unique


def test_a_certificate_is_exchanged_for_credentials_of_its_own_account(
    aws: Emulator, device: Device, role_alias: str, bucket: str
) -> None:
    status, answer = device.request("GET", f"/role-aliases/{role_alias}/credentials")
    assert status == 200, answer
    credentials = answer["credentials"]
    assert credentials["expiration"].endswith("Z")
    session = boto3.Session(
        credentials["accessKeyId"], credentials["secretAccessKey"], credentials["sessionToken"],
        REGION,
    )  # fmt: skip
    sts = session.client("sts", endpoint_url=aws.endpoint["endpoint_url"])
    s3 = session.client("s3", endpoint_url=aws.endpoint["endpoint_url"])
    identity = sts.get_caller_identity()
    assert identity["Account"] == ACCOUNT
    assert f"assumed-role/{role_alias}/" in identity["Arn"]
    assert bucket in [item["Name"] for item in s3.list_buckets()["Buckets"]]


def test_credentials_are_refused_with_the_reason(
    device: Device, iot: Any, role_alias: str, unique: str
) -> None:
    def refusal(path: str, thing: str | None = None) -> str:
        status, answer = device.request("GET", path, thing=thing)
        assert status == 403
        return str(answer["message"])

    assert "does not exist" in refusal("/role-aliases/other/credentials")
    path = f"/role-aliases/{role_alias}/credentials"
    assert "attached to" in refusal(path, thing="another-thing")
    iot.detach_policy(policyName=unique, target=device.certificate_arn)
    assert "iot:AssumeRoleWithCertificate" in refusal(path)
    certificate_id = device.certificate_arn.rpartition("/")[2]
    iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    assert "INACTIVE" in refusal(path)


OF_ALIAS = f"arn:aws:iot:{REGION}:{ACCOUNT}:rolealias"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {"aws:SourceAccount": ACCOUNT}}, 200),
        ({"StringEquals": {"aws:SourceAccount": "222222222222"}}, 403),
        ({"ArnLike": {"aws:SourceArn": f"{OF_ALIAS}/*"}}, 200),
        ({"ArnEquals": {"aws:SourceArn": f"{OF_ALIAS}/other"}}, 403),
    ],
)
def test_conditions_of_a_roles_trust_hold(
    aws: Emulator, device: Device, role_alias: str, condition: dict[str, Any], expected: int
) -> None:
    trust = policy({**TRUST["Statement"][0], "Condition": condition})
    aws.client("iam").update_assume_role_policy(RoleName=role_alias, PolicyDocument=trust)
    status, answer = device.request("GET", f"/role-aliases/{role_alias}/credentials")
    assert status == expected, answer


def test_no_certificate_no_connection(aws: Emulator) -> None:
    tls = ssl.create_default_context(cafile=aws.endpoint["ca_file"])
    url = f"https://127.0.0.1:{aws.endpoint['device_port']}/role-aliases/a/credentials"
    with pytest.raises(OSError, match=r"(?i)certificate|reset|closed|URLopen"):
        urllib.request.urlopen(url, context=tls)


def test_the_data_plane_answers_devices_in_the_shapes_of_the_api(device: Device) -> None:
    status, groups = device.request("GET", f"/greengrass/v2/coreDevices/{device.thing}/thingGroups")
    assert status == 200
    group = {"thingGroupName": device.thing, "thingGroupArn": device.group_arn}
    assert groups == {"thingGroups": [group]}

    status, answer = device.request(
        "POST",
        "/greengrass/v2/resolveComponentCandidates",
        {
            "platform": {"attributes": {"os": "linux"}},
            "componentCandidates": [
                {
                    "componentName": "aws.greengrass.Nucleus",
                    "versionRequirements": {"group": "=2.16.1"},
                }
            ],
        },
    )
    assert status == 200
    assert answer["resolvedComponentVersions"][0]["componentVersion"] == "2.16.1"

    status, answer = device.request("GET", "/greengrass/v2/deployments")
    assert status == 400
    assert "is not an operation of devices" in answer["message"]


def test_a_core_device_is_known_by_its_health(
    device: Device, greengrass: Any, aws: Emulator
) -> None:
    name = {"coreDeviceThingName": device.thing}
    with pytest.raises(greengrass.exceptions.ResourceNotFoundException):
        greengrass.get_core_device(**name)
    made = greengrass.create_deployment(
        targetArn=device.group_arn,
        components={"aws.greengrass.Nucleus": {"componentVersion": "2.16.1"}},
    )
    nucleus = {
        "componentName": "aws.greengrass.Nucleus", "version": "2.16.1", "isRoot": True,
        "status": "FINISHED", "componentStatusDetails": {}, "fleetConfigArns": [],
    }  # fmt: skip
    launcher = {**nucleus, "componentName": "aws.greengrass.LambdaLauncher", "isRoot": False}
    device.report(components=[nucleus, launcher])

    core = greengrass.get_core_device(**name)
    assert (core["status"], core["coreVersion"]) == ("HEALTHY", "2.16.1")
    roots = greengrass.list_installed_components(**name)["installedComponents"]
    assert [item["componentName"] for item in roots] == ["aws.greengrass.Nucleus"]
    every = greengrass.list_installed_components(**name, topologyFilter="ALL")
    assert len(every["installedComponents"]) == 2

    in_group = {"thingGroupArn": device.group_arn}
    assert greengrass.list_core_devices(**in_group)["coreDevices"] == []
    aws.client("iot-jobs-data").update_job_execution(
        jobId=made["iotJobId"], thingName=device.thing, status="SUCCEEDED"
    )
    listed = greengrass.list_core_devices(**in_group)["coreDevices"]
    assert [item["coreDeviceThingName"] for item in listed] == [device.thing]


def test_how_a_deployment_went_on_a_device_is_told_with_its_reason(
    device: Device, greengrass: Any, aws: Emulator, iot: Any
) -> None:
    made = greengrass.create_deployment(targetArn=device.group_arn, components={})
    device.report()

    def effective() -> dict[str, Any]:
        answer = greengrass.list_effective_deployments(coreDeviceThingName=device.thing)
        (only,) = answer["effectiveDeployments"]
        assert only["deploymentId"] == made["deploymentId"]
        return dict(only)

    assert effective()["coreDeviceExecutionStatus"] == "QUEUED"
    jobs = aws.client("iot-jobs-data")
    name = {"jobId": made["iotJobId"], "thingName": device.thing}
    jobs.update_job_execution(**name, status="IN_PROGRESS")
    assert effective()["coreDeviceExecutionStatus"] == "IN_PROGRESS"
    jobs.update_job_execution(
        **name,
        status="FAILED",
        statusDetails={
            "detailed-deployment-status": "FAILED_ROLLBACK_COMPLETE",
            "deployment-failure-cause": "the component broke",
        },
    )
    document = json.loads(iot.get_job_document(jobId=made["iotJobId"])["document"])
    device.report(
        deploymentInformation={
            "status": "FAILED",
            "fleetConfigurationArnForStatus": document["configurationArn"],
            "statusDetails": {
                "errorStack": ["DEPLOYMENT_FAILURE", "COMPONENT_BROKEN"],
                "errorTypes": ["COMPONENT_ERROR"],
            },
        }
    )
    failed = effective()
    assert failed["coreDeviceExecutionStatus"] == "FAILED"
    assert failed["reason"] == "the component broke"
    assert failed["statusDetails"] == {
        "errorStack": ["DEPLOYMENT_FAILURE", "COMPONENT_BROKEN"],
        "errorTypes": ["COMPONENT_ERROR"],
    }


def test_eventbridge_is_told_of_a_deployment_that_failed(
    aws: Emulator, device: Device, greengrass: Any, iot: Any, unique: str
) -> None:
    sqs, events = aws.client("sqs"), aws.client("events")
    queue = sqs.create_queue(QueueName=unique)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {
        "source": ["aws.greengrass"],
        "detail-type": ["Greengrass V2 Effective Deployment Status Change"],
        "detail": {"coreDeviceExecutionStatus": ["FAILED", "REJECTED"]},
    }
    events.put_rule(Name=unique, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=unique, Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])
    made = greengrass.create_deployment(targetArn=device.group_arn)
    document = json.loads(iot.get_job_document(jobId=made["iotJobId"])["document"])
    report = {"fleetConfigurationArnForStatus": document["configurationArn"]}
    device.report(deploymentInformation={**report, "status": "SUCCEEDED"})
    why = {"detailedStatus": "FAILED_NO_STATE_CHANGE", "failureCause": "no such component"}
    device.report(deploymentInformation={**report, "status": "FAILED", "statusDetails": why})
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10)[
        "Messages"
    ]
    event = json.loads(message["Body"])
    assert event["resources"][0].endswith(f":coreDevices:{device.thing}")
    assert event["detail"]["deploymentId"] == made["deploymentId"]
    assert event["detail"]["reason"] == "no such component"


def test_a_device_is_notified_of_its_job_and_reports_over_mqtt_with_its_certificate(
    device: Device, greengrass: Any, mqtt: Any
) -> None:
    received: queue.Queue[tuple[str, bytes]] = queue.Queue()

    def receive(topic: str, payload: bytes, **_: Any) -> None:
        received.put((topic, payload))

    thing = device.thing
    mqtt.connect().result(HANG_SECONDS)
    mqtt.subscribe(f"$aws/things/{thing}/jobs/#", QoS.AT_LEAST_ONCE, receive)[0].result(
        HANG_SECONDS
    )
    made = greengrass.create_deployment(targetArn=device.group_arn, components={})

    messages = {}
    while next_job_topic(thing) not in messages:
        topic, payload = received.get(timeout=HANG_SECONDS)
        messages[topic] = json.loads(payload)
    execution = messages[next_job_topic(thing)]["execution"]
    assert execution["jobId"] == made["iotJobId"]
    assert execution["jobDocument"]["deploymentId"] == made["deploymentId"]
    for topic, message in (
        (job_topic(thing, made["iotJobId"], "update"), {"status": "SUCCEEDED"}),
        (
            f"$aws/things/{thing}/greengrassv2/health/json",
            {"overallDeviceStatus": "UNHEALTHY", "components": []},
        ),
    ):
        mqtt.publish(topic, json.dumps(message), QoS.AT_LEAST_ONCE)[0].result(HANG_SECONDS)
    mqtt.disconnect().result(HANG_SECONDS)

    core = greengrass.get_core_device(coreDeviceThingName=device.thing)
    assert core["status"] == "UNHEALTHY"
    (effective,) = greengrass.list_effective_deployments(coreDeviceThingName=device.thing)[
        "effectiveDeployments"
    ]
    assert effective["coreDeviceExecutionStatus"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("reported", "code"),
    [
        ({"k": "x" * 8192}, 413),
        ({"1": {"2": {"3": {"4": {"5": {"6": {"7": 1}}}}}}}, 400),
    ],
)
def test_a_shadow_that_is_too_large_or_too_deep_is_rejected_over_mqtt(
    device: Device, mqtt: Any, reported: dict[str, Any], code: int
) -> None:
    answers: queue.Queue[tuple[str, bytes]] = queue.Queue()

    def receive(topic: str, payload: bytes, **_: Any) -> None:
        answers.put((topic, payload))

    update = f"$aws/things/{device.thing}/shadow/update"
    mqtt.connect().result(HANG_SECONDS)
    mqtt.subscribe(f"{update}/+", QoS.AT_LEAST_ONCE, receive)[0].result(HANG_SECONDS)
    payload = json.dumps({"state": {"reported": reported}, "clientToken": "token"})
    mqtt.publish(update, payload, QoS.AT_LEAST_ONCE)[0].result(HANG_SECONDS)
    topic, answer = answers.get(timeout=HANG_SECONDS)
    mqtt.disconnect().result(HANG_SECONDS)
    assert topic == f"{update}/rejected"
    assert (json.loads(answer)["code"], json.loads(answer)["clientToken"]) == (code, "token")


def test_the_broker_holds_a_device_to_the_policy_on_its_certificate(
    device: Device, iot: Any, unique: str, mqtt: Any
) -> None:
    iot.detach_policy(policyName=unique, target=device.certificate_arn)
    with pytest.raises(AwsCrtError):
        mqtt.connect().result(HANG_SECONDS)


def own_connection(device: Device, folder: Path, kind: str, client: str) -> Any:
    """Return an MQTT connection whose certificate has only the project's policy.

    The certificate is attached to the thing with the type `kind`. In the client id `client`,
    {thing} stands for the thing's name.
    """
    iot, policy, certificate = (
        device.aws.client("iot"),
        f"{device.thing}-own",
        device.certificate_arn,
    )
    iot.create_policy(policyName=policy, policyDocument=own_policy())
    iot.attach_policy(policyName=policy, target=certificate)
    iot.detach_policy(policyName=device.thing, target=certificate)
    iot.attach_thing_principal(
        thingName=device.thing, principal=certificate, thingPrincipalType=kind
    )
    return mqtt_connection_builder.mtls_from_path(
        cert_filepath=str(folder / "certificate.pem"),
        pri_key_filepath=str(folder / "key.pem"),
        ca_filepath=device.aws.endpoint["ca_file"],
        endpoint=device.aws.endpoint["mqtt_host"],
        port=device.aws.endpoint["mqtt_port"],
        client_id=client.format(thing=device.thing),
    )


@pytest.mark.parametrize(
    ("kind", "client"),
    [
        ("EXCLUSIVE_THING", "{thing}"),
        ("EXCLUSIVE_THING", "{thing}#2"),
        ("NON_EXCLUSIVE_THING", "{thing}"),
    ],
)
def test_a_certificate_connects_as_its_thing_and_with_its_further_connections(
    device: Device, tmp_path: Path, kind: str, client: str
) -> None:
    connection = own_connection(device, tmp_path, kind, client)
    connection.connect().result(HANG_SECONDS)
    own = f"$aws/things/{device.thing}/shadow/name/deeplens/update"
    connection.publish(own, "{}", QoS.AT_LEAST_ONCE)[0].result(HANG_SECONDS)
    connection.disconnect().result(HANG_SECONDS)


@pytest.mark.parametrize(
    ("kind", "client"),
    [
        # The id could be the longer name of another thing.
        ("EXCLUSIVE_THING", "{thing}1"),
        ("EXCLUSIVE_THING", "another"),
        # Without an exclusive thing, the policy's variable has no value for this client id.
        ("NON_EXCLUSIVE_THING", "{thing}#2"),
    ],
)
def test_a_certificate_connects_as_nothing_else(
    device: Device, tmp_path: Path, kind: str, client: str
) -> None:
    connection = own_connection(device, tmp_path, kind, client)
    with pytest.raises(AwsCrtError):
        connection.connect().result(HANG_SECONDS)


def test_a_certificate_of_an_exclusive_thing_is_attached_to_no_other(
    device: Device, iot: Any, unique: str
) -> None:
    other = f"{unique}-other"
    iot.create_thing(thingName=other)
    principal = {"principal": device.certificate_arn}
    with pytest.raises(ClientError, match="exclusively"):
        iot.attach_thing_principal(
            thingName=other, thingPrincipalType="EXCLUSIVE_THING", **principal
        )
    iot.attach_thing_principal(thingName=unique, thingPrincipalType="EXCLUSIVE_THING", **principal)
    with pytest.raises(ClientError, match="exclusively"):
        iot.attach_thing_principal(thingName=other, **principal)
