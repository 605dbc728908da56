"""Custom::GreengrassComponent creates each version once, verifies versions and never deletes them.

The tests send CloudFormation's requests.
"""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.emulator.fleet.conftest import CloudFormation
from tests.emulator.running_emulator import ACCOUNT, REGION, Emulator, recipe

pytestmark = pytest.mark.emulator


@pytest.fixture
def component(cloudformation: CloudFormation) -> CloudFormation:
    from greengrass_component import handler  # noqa: PLC0415 - the fixture sets the import path

    return replace(cloudformation, handler=handler)


@pytest.fixture
def artifact(aws: Emulator, bucket: str) -> tuple[str, str]:
    """The URI and the SHA-256 of an artifact."""
    aws.client("s3").put_object(Bucket=bucket, Key="components/m/x/model.zip", Body=b"graph")
    return f"s3://{bucket}/components/m/x/model.zip", hashlib.sha256(b"graph").hexdigest()


def properties(name: str, artifact: tuple[str, str], version: str = "1.0.0") -> dict[str, Any]:
    """Return the properties of the custom resource as in an environment's template."""
    uri, sha256 = artifact
    manifest = {
        "Platform": {"os": "linux"},
        "Lifecycle": {"install": "true"},
        "Artifacts": [{"Uri": uri, "Unarchive": "NONE"}],
    }
    text = json.dumps(recipe(name, version, Manifests=[manifest]))
    return {
        "Arn": f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{name}:versions:{version}",
        "Recipe": text,
        "ContentSha256": hashlib.sha256(text.encode()).hexdigest(),
        "ArtifactSha256": {uri: sha256},
    }


def versions(greengrass: Any, arn: str) -> list[str]:
    listed = greengrass.list_component_versions(arn=arn.rpartition(":versions:")[0])
    return [item["componentVersion"] for item in listed["componentVersions"]]


def test_a_version_is_created_once_and_verified_afterwards(
    component: CloudFormation, artifact: tuple[str, str], greengrass: Any, unique: str
) -> None:
    desired = properties(f"{unique}.model", artifact)
    for _ in range(3):
        assert component("Create", desired)["Status"] == "SUCCESS"
    assert versions(greengrass, desired["Arn"]) == ["1.0.0"]


def test_a_release_goes_back_and_forth_without_a_conflict(
    component: CloudFormation, artifact: tuple[str, str], greengrass: Any, unique: str
) -> None:
    first = properties(f"{unique}.model", artifact)
    second = properties(f"{unique}.model", artifact, "2.0.0")
    physical = component("Create", first)["PhysicalResourceId"]
    for new, old in ((second, first), (first, second), (second, first)):
        answer = component("Update", new, OldResourceProperties=old, PhysicalResourceId=physical)
        assert answer["Status"] == "SUCCESS", answer["Reason"]
        # CloudFormation deletes the replaced resource, but the component version remains.
        gone = component("Delete", old, PhysicalResourceId=physical)
        assert gone["Status"] == "SUCCESS"
        physical = answer["PhysicalResourceId"]
    assert sorted(versions(greengrass, first["Arn"])) == ["1.0.0", "2.0.0"]


def test_a_stack_deleted_and_made_again_finds_its_versions(
    component: CloudFormation, artifact: tuple[str, str], unique: str
) -> None:
    desired = properties(f"{unique}.model", artifact)
    made = component("Create", desired)
    component("Delete", desired, PhysicalResourceId=made["PhysicalResourceId"])
    again = replace(component, stack="arn:aws:cloudformation:::stack/again")
    assert again("Create", desired)["Status"] == "SUCCESS"


def test_two_environments_of_one_account_have_the_same_model(
    component: CloudFormation, artifact: tuple[str, str], greengrass: Any, unique: str
) -> None:
    """Deleting the components of one environment does not delete other environments' components.

    The names of the components contain the environment.
    """
    dev, staging = (properties(f"{unique}.{name}.model", artifact) for name in ("dev", "staging"))
    for desired in (dev, staging):
        assert component("Create", desired)["Status"] == "SUCCESS"
    component("Delete", dev, PhysicalResourceId=dev["Arn"])
    assert versions(greengrass, staging["Arn"]) == ["1.0.0"]


def test_other_content_under_the_same_version_is_refused_with_both_digests(
    component: CloudFormation, artifact: tuple[str, str], unique: str
) -> None:
    desired = properties(f"{unique}.model", artifact)
    component("Create", desired)
    refused = component("Create", {**desired, "ContentSha256": "0" * 64})
    assert refused["Status"] == "FAILED"
    assert desired["ContentSha256"] in refused["Reason"]
    assert "0" * 64 in refused["Reason"]


def test_an_artifact_that_is_not_the_releases_is_refused(
    component: CloudFormation, artifact: tuple[str, str], unique: str
) -> None:
    desired = properties(f"{unique}.model", artifact) | {"ArtifactSha256": {artifact[0]: "1" * 64}}
    refused = component("Create", desired)
    assert refused["Status"] == "FAILED"
    assert artifact[1] in refused["Reason"]
    assert "1" * 64 in refused["Reason"]
