"""Component versions are created, listed, described and deleted through boto3."""

import base64
import hashlib
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.running_emulator import REGION, Emulator, recipe

pytestmark = pytest.mark.emulator

MODEL = b"a frozen graph, labels and a manifest"


def test_a_model_component_gets_the_digest_of_its_artifact(
    aws: Emulator, greengrass: Any, bucket: str, unique: str
) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key="components/m/model.zip", Body=MODEL)
    artifact = {
        "Uri": f"s3://{bucket}/components/m/model.zip",
        "Unarchive": "ZIP",
        "Permission": {"Read": "ALL"},
    }
    manifest = {"Platform": {"os": "linux"}, "Artifacts": [artifact]}
    content = json.dumps(recipe(f"model.{unique}", Manifests=[manifest])).encode()

    arn = greengrass.create_component_version(inlineRecipe=content)["arn"]

    stored = json.loads(greengrass.get_component(arn=arn)["recipe"])["Manifests"][0]["Artifacts"]
    digest = base64.b64encode(hashlib.sha256(MODEL).digest()).decode()
    assert stored == [{**artifact, "Digest": digest, "Algorithm": "SHA-256"}]
    description = greengrass.describe_component(arn=arn)
    assert description["status"]["componentState"] == "DEPLOYABLE"
    assert description["platforms"] == [{"attributes": {"os": "linux"}}]


def test_a_missing_artifact_is_refused_and_nothing_is_created(
    greengrass: Any, bucket: str, unique: str
) -> None:
    manifest = {"Artifacts": [{"Uri": f"s3://{bucket}/nothing.zip"}]}
    content = json.dumps(recipe(f"model.{unique}", Manifests=[manifest])).encode()

    with pytest.raises(ClientError, match="Specified artifact resource cannot be accessed"):
        greengrass.create_component_version(inlineRecipe=content)

    names = [item["componentName"] for item in greengrass.list_components()["components"]]
    assert f"model.{unique}" not in names


def test_a_version_is_created_once_and_never_changed(
    create_component: Callable[..., str], greengrass: Any, unique: str
) -> None:
    arn = create_component(unique, "1.0.0-sha256-0123456789abcdef")

    with pytest.raises(greengrass.exceptions.ConflictException) as conflict:
        create_component(unique, "1.0.0-sha256-0123456789abcdef", ComponentDescription="other")

    assert conflict.value.response["resourceId"] == arn
    assert "ComponentDescription" not in json.loads(greengrass.get_component(arn=arn)["recipe"])


def test_a_recipe_may_be_yaml_and_is_given_back_as_either(greengrass: Any, unique: str) -> None:
    yaml = (
        f"RecipeFormatVersion: '2020-01-25'\nComponentName: {unique}\nComponentVersion: 1.0.0\n"
        "Manifests:\n  - Platform: {os: linux}\n    Lifecycle: {install: 'true'}\n"
    )
    arn = greengrass.create_component_version(inlineRecipe=yaml.encode())["arn"]

    assert json.loads(greengrass.get_component(arn=arn)["recipe"])["ComponentName"] == unique
    as_yaml = greengrass.get_component(arn=arn, recipeOutputFormat="YAML")["recipe"]
    assert f"ComponentName: {unique}" in as_yaml.decode()


def test_a_published_function_becomes_a_component_whose_zip_devices_can_read(
    aws: Emulator, greengrass: Any, function_arn: str, unique: str
) -> None:
    arn = greengrass.create_component_version(
        lambdaFunction={
            "lambdaArn": function_arn,
            "componentName": f"inference.{unique}",
            "componentVersion": "1.0.0-sha256-ff",
            "componentDependencies": {
                "model": {"versionRequirement": "=1.0.0-sha256-01", "dependencyType": "HARD"}
            },
            "componentLambdaParameters": {
                "pinned": True,
                "timeoutInSeconds": 60,
                "environmentVariables": {"MODEL": "{model:artifacts:path}/model.zip"},
                "linuxProcessParams": {"isolationMode": "NoContainer"},
            },
        }
    )["arn"]

    made = json.loads(greengrass.get_component(arn=arn)["recipe"])
    assert made["ComponentType"] == "aws.greengrass.lambda"
    assert made["ComponentSource"] == function_arn
    assert made["ComponentDependencies"]["model"] == {
        "VersionRequirement": "=1.0.0-sha256-01",
        "DependencyType": "HARD",
    }
    configuration = made["ComponentConfiguration"]["DefaultConfiguration"]
    assert configuration["containerMode"] == "NoContainer"
    assert configuration["timeoutInSeconds"] == 60
    assert configuration["lambdaExecutionParameters"]["EnvironmentVariables"] == {
        "MODEL": "{model:artifacts:path}/model.zip"
    }
    artifact = made["Manifests"][0]["Artifacts"][0]
    url = greengrass.get_component_version_artifact(arn=arn, artifactName="lambda-artifact.zip")
    with urllib.request.urlopen(url["preSignedUrl"]) as answer:  # noqa: S310 - HTTP on loopback
        content = answer.read()
    assert base64.b64encode(hashlib.sha256(content).digest()).decode() == artifact["Digest"]
    aws.client("lambda").delete_function(FunctionName=function_arn.split(":")[6])
    with urllib.request.urlopen(url["preSignedUrl"]) as answer:  # noqa: S310 - HTTP on loopback
        assert answer.read() == content


@pytest.mark.parametrize("qualifier", ["$LATEST", "live", "99"])
def test_only_a_published_version_can_be_imported(
    greengrass: Any, function_arn: str, qualifier: str
) -> None:
    arn = f"{function_arn.rpartition(':')[0]}:{qualifier}"
    with pytest.raises(greengrass.exceptions.ValidationException, match="version"):
        greengrass.create_component_version(lambdaFunction={"lambdaArn": arn})


def test_a_component_and_its_versions_are_listed_newest_first_and_deleted(
    create_component: Callable[..., str], greengrass: Any, unique: str
) -> None:
    arns = [create_component(unique, version) for version in ("1.2.0", "1.10.0", "1.10.0-rc.1")]
    component = arns[0].rpartition(":versions:")[0]

    first = greengrass.list_component_versions(arn=component, maxResults=2)
    rest = greengrass.list_component_versions(arn=component, nextToken=first["nextToken"])
    listed = [item["componentVersion"] for item in first["componentVersions"]]
    assert listed == ["1.10.0", "1.10.0-rc.1"]
    assert [item["componentVersion"] for item in rest["componentVersions"]] == ["1.2.0"]

    for arn in arns:
        greengrass.delete_component(arn=arn)
    with pytest.raises(greengrass.exceptions.ResourceNotFoundException):
        greengrass.describe_component(arn=arns[0])


def test_components_carry_tags(
    create_component: Callable[..., str], greengrass: Any, unique: str
) -> None:
    arn = create_component(unique)
    greengrass.tag_resource(resourceArn=arn, tags={"stage": "dev", "team": "cameras"})
    greengrass.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert greengrass.list_tags_for_resource(resourceArn=arn)["tags"] == {"stage": "dev"}


def test_the_public_components_are_described_but_cannot_be_deleted(greengrass: Any) -> None:
    public = greengrass.list_components(scope="PUBLIC")["components"]
    assert "aws.greengrass.Nucleus" in [item["componentName"] for item in public]
    arn = f"arn:aws:greengrass:{REGION}:aws:components:aws.greengrass.Nucleus:versions:2.16.1"
    assert greengrass.describe_component(arn=arn)["publisher"] == "AWS"
    with pytest.raises(greengrass.exceptions.ValidationException):
        greengrass.delete_component(arn=arn)


def test_the_newest_fitting_version_is_resolved_and_exact_pre_releases_match(
    create_component: Callable[..., str], greengrass: Any, unique: str
) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0", "1.0.0-sha256-00ab", "1.0.0-sha256-00cd"):
        create_component(unique, version)

    def resolve(*requirements: str) -> str:
        by = {f"parent{number}": text for number, text in enumerate(requirements)}
        candidate = {"componentName": unique, "versionRequirements": by}
        answer = greengrass.resolve_component_candidates(
            platform={"attributes": {"os": "linux", "architecture": "amd64"}},
            componentCandidates=[candidate],
        )
        resolved = answer["resolvedComponentVersions"][0]
        assert json.loads(resolved["recipe"])["ComponentVersion"] == resolved["componentVersion"]
        return str(resolved["componentVersion"])

    assert resolve(">=1.0.0") == "2.0.0"
    assert resolve(">=1.0.0", "<2.0.0") == "1.1.0"
    assert resolve("=1.0.0-sha256-00cd") == "1.0.0-sha256-00cd"
    with pytest.raises(
        greengrass.exceptions.ResourceNotFoundException, match=f"{unique}.*parent0 requires =3"
    ):
        resolve("=3.0.0")


def test_accounts_and_regions_do_not_see_each_others_components(
    aws: Emulator, create_component: Callable[..., str], unique: str
) -> None:
    arn = create_component(unique)
    for other in (
        aws.client("greengrassv2", account="222222222222"),
        aws.client("greengrassv2", region="us-east-1"),
    ):
        with pytest.raises(other.exceptions.ResourceNotFoundException):
            other.describe_component(arn=arn)
        assert other.list_components()["components"] == []
