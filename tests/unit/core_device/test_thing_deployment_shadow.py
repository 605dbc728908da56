"""The device starts a deployment for new states of the shadow, and ignores other states."""

import json
from typing import Any

import pytest

from local_aws.core_device.thing_deployments import ShadowDeployments

pytestmark = pytest.mark.unit

ARN = "arn:aws:greengrass:eu-central-1:111111111111:configuration:thing/camera-1:"


def message(
    revision: int, version: int, status: str = "SUCCEEDED", reported: Any = None
) -> dict[str, Any]:
    document = {"deploymentId": f"d-{revision}", "configurationArn": f"{ARN}{revision}"}
    desired = {"fleetConfig": json.dumps(document), "desiredStatus": status}
    return {"version": version, "state": {"desired": desired, "reported": reported or {}}}


def received(*messages: dict[str, Any]) -> list[str | None]:
    core = ShadowDeployments("camera-1")
    deployments = [core.receive(message) for message in messages]
    return [
        None if deployment is None else str(deployment["deploymentId"])
        for deployment in deployments
    ]


def ended(revision: int, status: str) -> dict[str, Any]:
    return {"fleetConfigurationArnForStatus": f"{ARN}{revision}", "status": status}


def test_a_deployment_is_carried_out_once() -> None:
    assert received(message(1, 1), message(1, 2), message(2, 3)) == ["d-1", None, "d-2"]


def test_an_older_version_of_the_shadow_is_ignored() -> None:
    assert received(message(2, 5), message(1, 4)) == ["d-2", None]


def test_a_cancelled_deployment_is_not_begun() -> None:
    assert received(message(1, 1, "CANCELED"), message(2, 2)) == [None, "d-2"]
    assert received(message(1, 1), message(2, 2, "CANCELED")) == ["d-1", None]


def test_after_a_start_only_an_unfinished_deployment_is_carried_out() -> None:
    for status in ("SUCCEEDED", "FAILED", "REJECTED"):
        assert received(message(1, 1, reported=ended(1, status))) == [None]
    assert received(message(1, 1, reported=ended(1, "IN_PROGRESS"))) == ["d-1"]
    assert received(message(2, 1, reported=ended(1, "SUCCEEDED"))) == ["d-2"]


@pytest.mark.parametrize(
    "desired",
    [
        None, {}, {"fleetConfig": "{"}, {"fleetConfig": "[]"}, {"fleetConfig": 1},
        {"fleetConfig": "{}", "desiredStatus": "SUCCEEDED"},
        {"fleetConfig": json.dumps({"configurationArn": ARN})},
    ],
)  # fmt: skip
def test_a_state_without_a_deployment_is_ignored(desired: Any) -> None:
    assert received({"version": 1, "state": {"desired": desired}}) == [None]


def test_a_report_has_the_members_of_the_nucleus() -> None:
    core = ShadowDeployments("camera-1")
    topic, message = core.report({"configurationArn": f"{ARN}1"}, "FAILED", "d", "c", "2.16.1")
    assert topic.endswith("/shadow/name/AWSManagedGreengrassV2Deployment/update")
    assert message["state"]["reported"] == {
        "fleetConfigurationArnForStatus": f"{ARN}1",
        "status": "FAILED",
        "statusDetails": {"detailedStatus": "d", "failureCause": "c"},
        "ggcVersion": "2.16.1",
    }
