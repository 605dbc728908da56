"""The emulator creates an IoT job for each deployment to a thing group."""

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.emulator

NUCLEUS = {"aws.greengrass.Nucleus": {"componentVersion": "2.16.1"}}


@pytest.fixture
def group_arn(iot: Any, unique: str) -> str:
    """The ARN of a group with one thing; both have the test's unique name."""
    iot.create_thing(thingName=unique)
    arn: str = iot.create_thing_group(thingGroupName=unique)["thingGroupArn"]
    iot.add_thing_to_thing_group(thingGroupName=unique, thingName=unique)
    return arn


def test_a_deployment_to_a_group_is_a_continuous_job_with_the_nucleus_document(
    greengrass: Any, iot: Any, group_arn: str, create_component: Callable[..., str], unique: str
) -> None:
    create_component(unique, "1.0.0")
    made = greengrass.create_deployment(
        targetArn=group_arn,
        deploymentName="release",
        components={
            **NUCLEUS,
            unique: {
                "componentVersion": "1.0.0",
                "configurationUpdate": {"merge": '{"topic": "a/b"}', "reset": ["/old"]},
            },
        },
    )

    job = iot.describe_job(jobId=made["iotJobId"])["job"]
    assert (job["targetSelection"], job["status"]) == ("CONTINUOUS", "IN_PROGRESS")
    assert job["jobProcessDetails"]["numberOfQueuedThings"] == 1
    document = json.loads(iot.get_job_document(jobId=made["iotJobId"])["document"])
    assert document["configurationArn"].endswith(f":configuration:thinggroup/{unique}:1")
    assert document["deploymentId"] == made["deploymentId"]
    assert document["components"] == {
        "aws.greengrass.Nucleus": {"version": "2.16.1"},
        unique: {
            "version": "1.0.0",
            "configurationUpdate": {"merge": {"topic": "a/b"}, "reset": ["/old"]},
        },
    }
    assert document["schemaDate"] == "2021-05-17"
    assert document["failureHandlingPolicy"] == "ROLLBACK"
    assert document["componentUpdatePolicy"] == {"timeout": 60, "action": "NOTIFY_COMPONENTS"}


def test_a_new_deployment_of_a_target_supersedes_the_old_one(
    greengrass: Any, iot: Any, group_arn: str
) -> None:
    first = greengrass.create_deployment(targetArn=group_arn, components=NUCLEUS)
    second = greengrass.create_deployment(targetArn=group_arn, components={})

    old = greengrass.get_deployment(deploymentId=first["deploymentId"])
    new = greengrass.get_deployment(deploymentId=second["deploymentId"])
    assert (old["deploymentStatus"], old["isLatestForTarget"]) == ("INACTIVE", False)
    assert (new["deploymentStatus"], new["isLatestForTarget"]) == ("ACTIVE", True)
    assert (old["revisionId"], new["revisionId"]) == ("1", "2")
    assert iot.describe_job(jobId=first["iotJobId"])["job"]["status"] == "CANCELED"

    latest = greengrass.list_deployments(targetArn=group_arn)["deployments"]
    everything = greengrass.list_deployments(targetArn=group_arn, historyFilter="ALL")
    assert [item["deploymentId"] for item in latest] == [second["deploymentId"]]
    assert len(everything["deployments"]) == 2


def test_an_active_deployment_is_cancelled_before_it_is_deleted(
    greengrass: Any, iot: Any, group_arn: str
) -> None:
    made = greengrass.create_deployment(targetArn=group_arn, components=NUCLEUS)
    name = {"deploymentId": made["deploymentId"]}

    with pytest.raises(greengrass.exceptions.ConflictException, match="cancel it"):
        greengrass.delete_deployment(**name)
    greengrass.cancel_deployment(**name)
    assert greengrass.get_deployment(**name)["deploymentStatus"] == "CANCELED"
    assert iot.describe_job(jobId=made["iotJobId"])["job"]["status"] == "CANCELED"
    with pytest.raises(greengrass.exceptions.ConflictException):
        greengrass.cancel_deployment(**name)
    greengrass.delete_deployment(**name)
    with pytest.raises(greengrass.exceptions.ResourceNotFoundException):
        greengrass.get_deployment(**name)


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ({"aws.greengrass.Nucleus": {"componentVersion": "9.9.9"}}, "no version 9.9.9"),
        ({"aws.greengrass.Unheard": {"componentVersion": "1.0.0"}}, "known versions: none"),
        (
            {
                "aws.greengrass.Nucleus": {
                    "componentVersion": "2.16.1",
                    "configurationUpdate": {"merge": "not json"},
                }
            },
            "is not JSON",
        ),
    ],
)
def test_a_deployment_that_no_device_could_take_is_refused(
    greengrass: Any, group_arn: str, components: dict[str, Any], message: str
) -> None:
    with pytest.raises(greengrass.exceptions.ClientError, match=message):
        greengrass.create_deployment(targetArn=group_arn, components=components)
    assert greengrass.list_deployments(targetArn=group_arn)["deployments"] == []


def test_a_deployment_to_nothing_is_refused(greengrass: Any, iot: Any, group_arn: str) -> None:
    del iot
    with pytest.raises(greengrass.exceptions.ResourceNotFoundException):
        greengrass.create_deployment(targetArn=f"{group_arn}-gone", components=NUCLEUS)
