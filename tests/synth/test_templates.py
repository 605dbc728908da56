"""The templates of each environment have the required stacks, permissions and state protection."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deeplens.config import load_environments
from tests.synth.synthesis import synthesize

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = load_environments(ROOT / "environments")
NAMES = [environment.name for environment in ENVIRONMENTS]

# Actions of Greengrass that IAM evaluates on "*", because the actions have no resource types.
NO_RESOURCES: list[str | list[str]] = [
    ["greengrass:ListCoreDevices", "greengrass:ListDeployments"],
    "greengrass:CreateDeployment",
]

Templates = dict[str, dict[str, Any]]


def resources(template: dict[str, Any], type_: str) -> list[dict[str, Any]]:
    return [resource for resource in template["Resources"].values() if resource["Type"] == type_]


def component(template: dict[str, Any], id_: str) -> dict[str, Any]:
    matching = [
        resource["Properties"]
        for resource in resources(template, "Custom::GreengrassComponent")
        if id_ in json.dumps(resource["Properties"])
    ]
    properties: dict[str, Any]
    (properties,) = matching
    return properties


def statements(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in resources(template, "AWS::IAM::ManagedPolicy"):
        yield from policy["Properties"]["PolicyDocument"]["Statement"]


def test_each_environment_has_its_four_stacks(templates: Templates) -> None:
    assert set(templates) == {
        f"{name}-{stack}"
        for name in NAMES
        for stack in ("ModelStore", "Devices", "Inference", "Monitoring")
    }


def test_no_template_uses_greengrass_v1_or_its_deployment_types(templates: Templates) -> None:
    types = {
        resource["Type"]
        for template in templates.values()
        for resource in template["Resources"].values()
    }
    assert not {name for name in types if name.startswith("AWS::Greengrass")}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=NAMES)
def test_the_bucket_is_private_encrypted_versioned_and_kept(
    templates: Templates, environment: Any
) -> None:
    template = templates[f"{environment.name}-ModelStore"]
    (bucket,) = (
        resource
        for resource in resources(template, "AWS::S3::Bucket")
        if resource["Properties"].get("BucketName") == environment.model_store.bucket_name
    )
    properties = bucket["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    rule = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}


@pytest.mark.parametrize("name", NAMES)
def test_state_remains_with_its_policy_but_a_failed_creation_leaves_nothing(
    templates: Templates, name: str
) -> None:
    template = templates[f"{name}-ModelStore"]
    state = [
        resource
        for type_ in ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::KMS::Key")
        for resource in resources(template, type_)
    ]
    assert len(state) == 5
    policies = {(resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) for resource in state}
    assert policies == {("RetainExceptOnCreate", "Retain")}


@pytest.mark.parametrize("name", NAMES)
def test_only_the_publisher_writes_components(templates: Templates, name: str) -> None:
    policies = resources(templates[f"{name}-ModelStore"], "AWS::S3::BucketPolicy")
    denials = [
        statement
        for policy in policies
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "OnlyThePublisherWritesComponents"
    ]
    assert len(denials) == 1
    assert denials[0]["Effect"] == "Deny"
    assert "s3:PutObject" in denials[0]["Action"]
    assert "ArnNotEquals" in denials[0]["Condition"]


@pytest.mark.parametrize("name", NAMES)
def test_a_published_version_is_kept_and_the_function_is_named_for_deeplens(
    templates: Templates, name: str
) -> None:
    template = templates[f"{name}-Inference"]
    (version,) = resources(template, "AWS::Lambda::Version")
    assert version["DeletionPolicy"] == "Retain"
    names = [
        function["Properties"].get("FunctionName")
        for function in resources(template, "AWS::Lambda::Function")
    ]
    assert f"deeplens-{name}-inference" in names


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=NAMES)
def test_the_model_component_names_exactly_the_pinned_artifact(
    templates: Templates, environment: Any
) -> None:
    properties = component(templates[f"{environment.name}-Inference"], '"Recipe"')
    recipe = json.loads(properties["Recipe"])
    (artifact,) = recipe["Manifests"][0]["Artifacts"]
    bucket, digest = environment.model_store.bucket_name, environment.model.digest
    assert artifact["Uri"] == f"s3://{bucket}/components/shapes/{digest}/model.zip"
    assert artifact["Permission"] == {"Read": "ALL"}
    assert properties["ArtifactSha256"] == {artifact["Uri"]: digest}
    assert len(properties["Recipe"].encode()) < 16_000
    assert re.fullmatch(
        r"1\.\d{1,6}\.\d{1,6}",
        recipe["ComponentVersion"],
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_project_pins_the_complete_component_set(templates: Templates, name: str) -> None:
    (project,) = resources(templates[f"{name}-Inference"], "Custom::DeepLensProject")
    text = "".join(
        part if isinstance(part, str) else "TOKEN"
        for part in project["Properties"]["Components"]["Fn::Join"][1]
    )
    components = json.loads(text)
    assert set(components) == {
        "aws.greengrass.Nucleus",
        "aws.greengrass.LambdaLauncher",
        "aws.greengrass.LambdaManager",
        "aws.greengrass.LambdaRuntimes",
        "aws.greengrass.TokenExchangeService",
        f"deeplens.{name}.model.shapes",
        f"deeplens.{name}.inference",
    }
    for settings in components.values():
        assert re.fullmatch(r"(\d+|TOKEN)\.\d{1,6}\.\d{1,6}", settings["componentVersion"])


def test_the_camera_may_publish_its_own_topics_only(templates: Templates) -> None:
    (project,) = resources(templates["dev-Inference"], "Custom::DeepLensProject")
    text = json.dumps(project["Properties"]["Components"])
    assert "deeplens/{iot:thingName}/infer" in text
    (policy,) = resources(templates["dev-Devices"], "AWS::IoT::Policy")
    publishing = [
        json.dumps(statement["Resource"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "iot:Publish" in statement["Action"]
    ]
    assert all("${iot:Connection.Thing.ThingName}" in text for text in publishing)


def test_the_camera_hears_the_settings_that_its_shadow_desires(templates: Templates) -> None:
    (project,) = resources(templates["dev-Inference"], "Custom::DeepLensProject")
    text = json.dumps(project["Properties"]["Components"])
    assert "aws.greengrass#SubscribeToIoTCore" in text
    for topic in ("get", "get/accepted", "update/delta"):
        assert f"$aws/things/{{iot:thingName}}/shadow/name/deeplens/{topic}" in text


@pytest.mark.parametrize("name", NAMES)
def test_a_core_device_reads_components_and_writes_nothing_in_the_bucket(
    templates: Templates, name: str
) -> None:
    for statement in statements(templates[f"{name}-Devices"]):
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert action.startswith(("logs:", "s3:Get", "kms:Decrypt"))
        if statement["Sid"] == "DownloadComponents":
            assert statement["Resource"].endswith("/components/*")


@pytest.mark.parametrize("name", NAMES)
def test_roles_that_trust_a_service_name_this_account(templates: Templates, name: str) -> None:
    account = next(environment.account for environment in ENVIRONMENTS if environment.name == name)
    for stack in ("ModelStore", "Devices", "Inference"):
        for role in resources(templates[f"{name}-{stack}"], "AWS::IAM::Role"):
            for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
                condition = statement["Condition"]["StringEquals"]
                assert condition["aws:SourceAccount"] == account


def test_no_policy_allows_every_action_or_every_resource(templates: Templates) -> None:
    for template in templates.values():
        for statement in statements(template):
            assert statement["Action"] != "*"
            if statement["Resource"] == "*":
                assert statement["Action"] in NO_RESOURCES


def test_each_reason_for_a_grant_without_a_call_names_a_statement_of_its_policy(
    templates: Templates,
) -> None:
    reasons = 0
    for template in templates.values():
        for policy in resources(template, "AWS::IAM::ManagedPolicy"):
            sids = [
                statement["Sid"]
                for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            ]
            assert len(sids) == len(set(sids))
            given = policy.get("Metadata", {}).get("deeplens:GrantsWithoutCall", {})
            assert set(given) <= set(sids)
            assert all(given.values())
            reasons += len(given)
    assert reasons > 0


def test_state_is_protected_where_the_environment_says_so(assembly: Path) -> None:
    protected = {}
    for manifest in assembly.glob("assembly-*/manifest.json"):
        for artifact in json.loads(manifest.read_text(encoding="utf-8"))["artifacts"].values():
            properties = artifact.get("properties", {})
            if properties.get("stackName", "").endswith("-ModelStore"):
                protected[properties["stackName"]] = properties.get("terminationProtection", False)
    assert protected == {
        "dev-ModelStore": False,
        "staging-ModelStore": True,
        "production-ModelStore": True,
    }


def test_the_artifact_is_in_the_assembly_once(assembly: Path) -> None:
    digests = {
        hashlib.sha256(file.read_bytes()).hexdigest()
        for environment in ENVIRONMENTS
        for file in (ROOT / "models" / environment.model.name / environment.model.digest).iterdir()
        if file.suffix in {".zip", ".json"}
    }
    staged = [file.name for file in assembly.glob("**/asset.*.zip")]
    for digest in digests:
        assert staged.count(f"asset.{digest}.zip") == 1


def test_the_golden_templates_are_what_is_synthesized(templates: Templates) -> None:
    drift = subprocess.run(
        [sys.executable, "-m", "deeplens.policy.golden", "--check"],
        cwd=ROOT,
        input=json.dumps(templates),
        capture_output=True,
        text=True,
        check=False,
    )
    assert drift.returncode == 0, drift.stdout


def test_a_wrong_environment_file_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    text = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
    wrong = text.replace('bucket_name = "deeplens-', 'bucket_name = "')
    (tmp_path / "dev.toml").write_text(wrong, encoding="utf-8")
    result = synthesize(tmp_path / "out", tmp_path)
    assert result.returncode == 1
    assert "model_store.bucket_name" in result.stderr
    assert len(result.stderr.splitlines()) == 1
