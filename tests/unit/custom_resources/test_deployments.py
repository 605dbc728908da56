"""Deployments are read and created with AWS' client, as the API of Greengrass defines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.fleet import deployments
from shared.fleet.errors import DeploymentError

TARGET = "arn:aws:iot:eu-central-1:111111111111:thinggroup/cameras"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def summary(number: int, *, is_latest: bool) -> dict[str, Any]:
    return {
        "targetArn": TARGET,
        "deploymentId": f"d-{number}",
        "creationTimestamp": BEGIN + timedelta(hours=number),
        "deploymentStatus": "ACTIVE",
        "isLatestForTarget": is_latest,
    }


def details(number: int) -> dict[str, Any]:
    return {
        "targetArn": TARGET,
        "deploymentId": f"d-{number}",
        "deploymentStatus": "ACTIVE",
        "creationTimestamp": BEGIN + timedelta(hours=number),
    }


@pytest.fixture(scope="module")
def greengrass() -> Any:
    return boto3.client(
        "greengrassv2",
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@settings(deadline=None)
@given(
    order=st.permutations(range(6)),
    latest=st.integers(0, 5),
    page=st.integers(1, 6),
)
def test_the_current_deployment_is_the_latest_of_its_target_in_whatever_order(
    greengrass: Any, order: list[int], latest: int, page: int
) -> None:
    pages = [order[at : at + page] for at in range(0, len(order), page)]
    with Stubber(greengrass) as stub:
        for index, numbers in enumerate(pages):
            answer: dict[str, Any] = {
                "deployments": [summary(one, is_latest=one == latest) for one in numbers]
            }
            if index + 1 < len(pages):
                answer["nextToken"] = str(index)
            stub.add_response("list_deployments", answer)
        expected = [latest, *(one for one in range(5, -1, -1) if one != latest)]
        for number in expected:
            stub.add_response("get_deployment", details(number), {"deploymentId": f"d-{number}"})
        found = [one.id for one in deployments.history(greengrass, TARGET)]
    assert found == [f"d-{number}" for number in expected]


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ConflictException", "ResourceNotFoundException"]
)
def test_a_deployment_that_cannot_be_deleted_stops_nothing(greengrass: Any, code: str) -> None:
    with Stubber(greengrass) as stub:
        stub.add_client_error("cancel_deployment", code, "refused")
        stub.add_client_error("delete_deployment", code, "refused")
        deployments.retire(greengrass, "d-1")
        stub.assert_no_pending_responses()


WANTED = deployments.DesiredDeployment(
    TARGET, "deeplens-dev", {"app": {"componentVersion": "1.0.0"}}, tags={"deeplens:owner": "stack"}
)
FAILED = deployments.Deployment("d-1", TARGET, "ACTIVE", "job", 0.0, WANTED.components, {}, {}, {})


def created(stub: Stubber, number: int) -> None:
    stub.add_response("create_deployment", {"deploymentId": f"d-{number}"})
    stub.add_response("get_deployment", details(number), {"deploymentId": f"d-{number}"})


def test_a_second_attempt_is_a_request_of_its_own(greengrass: Any) -> None:
    """A second attempt has another client token than the first attempt.

    With the same token, Greengrass would return the first deployment.
    """
    requests: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        requests.append(dict(params))

    event = "provide-client-params.greengrassv2.CreateDeployment"
    greengrass.meta.events.register(event, note)
    try:
        with Stubber(greengrass) as stub:
            stub.add_response("list_deployments", {"deployments": []})
            created(stub, 1)
            first = deployments.ensure(greengrass, WANTED, "request")
            created(stub, 2)
            second = deployments.retry(greengrass, first, WANTED, "request", "no network; why?")
            stub.assert_no_pending_responses()
    finally:
        greengrass.meta.events.unregister(event, note)
    assert (first.id, second.id) == ("d-1", "d-2")
    once, again = requests
    assert once.pop("clientToken") != again.pop("clientToken")
    assert once.pop("tags") == {"deeplens:owner": "stack"}
    tags = again.pop("tags")
    assert tags["deeplens:replaced"] == "d-1"
    assert tags["deeplens:retry"].endswith(" no network why")
    assert once == again


def test_greengrass_passes_no_retry_configuration_to_the_job(greengrass: Any) -> None:
    """Greengrass cannot configure retries of a job, so the project repeats deployments itself."""
    request = greengrass.meta.service_model.operation_model("CreateDeployment").input_shape
    assert set(request.members["iotJobConfiguration"].members) == {
        "jobExecutionsRolloutConfig",
        "abortConfig",
        "timeoutConfig",
    }


def test_a_conflict_of_the_second_attempt_never_returns_the_first_one(greengrass: Any) -> None:
    with Stubber(greengrass) as stub:
        stub.add_client_error("create_deployment", "ConflictException", "under way")
        stub.add_response("list_deployments", {"deployments": [summary(1, is_latest=True)]})
        stub.add_response("get_deployment", {**details(1), "components": WANTED.components})
        with pytest.raises(DeploymentError, match="no deployment was created: under way"):
            deployments.retry(greengrass, FAILED, WANTED, "request", "no network")
