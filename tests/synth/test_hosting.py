"""The Hosting stack of an environment with an endpoint."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import region_info

from deeplens.assembly import Stack, by_environment, read_assembly, text
from deeplens.config import GREENGRASS_REGIONS
from deeplens.config.deep_learning_containers import registry_account
from deeplens.policy import violations
from deeplens.policy.check_templates import nag_findings
from deeplens.policy.checkov import checkov_findings
from tests.synth.hosting_sites import with_hosting
from tests.synth.synthesis import ROOT, synthesize

pytestmark = pytest.mark.process

Templates = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hosting")
    result = synthesize(folder / "out", with_hosting(folder), nag="true")
    assert result.returncode == 0, result.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def stacks(hosted: Path) -> list[Stack]:
    return read_assembly(hosted)


@pytest.fixture(scope="module")
def templates_of_hosted(stacks: list[Stack]) -> Templates:
    return {stack.name: stack.template for stack in stacks}


@pytest.fixture(scope="module")
def whole(templates_of_hosted: Templates) -> dict[str, Any]:
    return templates_of_hosted["dev-Hosting"]


def of_type(template: dict[str, Any], type_: str) -> list[dict[str, Any]]:
    return [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == type_
    ]


def test_only_who_asks_for_it_has_a_hosting_stack(
    templates_of_hosted: Templates, templates: Templates
) -> None:
    assert "production-Hosting" not in templates_of_hosted
    production = {name for name in templates if name.startswith("production-")}
    assert production
    for name in production:
        assert templates_of_hosted[name] == templates[name]


def test_no_scanner_and_no_rule_finds_anything(hosted: Path, stacks: list[Stack]) -> None:
    assert nag_findings(hosted / "validation-report.json") == []
    for environment in by_environment(stacks).values():
        assert [str(finding) for finding in violations(environment)] == []
    files = [stack.file for stack in stacks if stack.name.endswith(("-Hosting", "-Monitoring"))]
    assert checkov_findings(files) == []
    lint = subprocess.run(
        [ROOT / ".venv/bin/cfn-lint", "--non-zero-exit-code", "warning", *files],
        check=False,
        capture_output=True,
        text=True,
    )
    assert lint.returncode == 0, lint.stdout


def test_nothing_that_costs_outlives_the_stack(whole: dict[str, Any]) -> None:
    for logical_id, resource in whole["Resources"].items():
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            assert resource.get(policy, "Delete") == "Delete", logical_id
    assert "AWS::S3::Bucket" not in {resource["Type"] for resource in whole["Resources"].values()}
    (log,) = of_type(whole, "AWS::Logs::LogGroup")
    (endpoint,) = of_type(whole, "AWS::SageMaker::Endpoint")
    # SageMaker would create the log group without a retention period.
    assert log["LogGroupName"] == f"/aws/sagemaker/Endpoints/{endpoint['EndpointName']}"
    assert log["RetentionInDays"] == 30


def test_models_are_isolated_in_the_vpc_and_run_the_containers_of_their_framework(
    whole: dict[str, Any],
) -> None:
    images = set()
    for model in of_type(whole, "AWS::SageMaker::Model"):
        assert model["EnableNetworkIsolation"] is True
        assert model["VpcConfig"]["Subnets"] == ["subnet-0123456789abcdef0"]
        assert text(model["PrimaryContainer"]["ModelDataUrl"]).endswith(".tar.gz")
        images.add(model["PrimaryContainer"]["Image"].partition("/")[2])
    assert images == {"tensorflow-inference:2.19.0-cpu", "mxnet-inference:1.9.0-cpu-py38"}


def test_the_archives_are_assets_under_their_digests(hosted: Path, whole: dict[str, Any]) -> None:
    (manifest,) = (hosted / "assembly-dev").glob("*Hosting*.assets.json")
    files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    keys = {
        destination["objectKey"]
        for file in files.values()
        for destination in file["destinations"].values()
    }
    for model in of_type(whole, "AWS::SageMaker::Model"):
        key = text(model["PrimaryContainer"]["ModelDataUrl"]).rpartition("/")[2]
        assert key in keys
        assert (hosted / f"asset.{key}").is_file()


def test_the_role_reads_its_models_and_nothing_else(whole: dict[str, Any]) -> None:
    statements = {
        statement["Sid"]: statement
        for policy in of_type(whole, "AWS::IAM::ManagedPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
    }
    archives = {
        text(model["PrimaryContainer"]["ModelDataUrl"]).replace("s3://", "arn:aws:s3:::")
        for model in of_type(whole, "AWS::SageMaker::Model")
    }
    assert {text(arn) for arn in statements["ReadModels"]["Resource"]} == archives
    assert statements["ReadModels"]["Action"] == "s3:GetObject"
    assert text(statements["WriteCaptured"]["Resource"]).endswith("/datasets/captured/*")
    (role,) = of_type(whole, "AWS::IAM::Role")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "111111111111"}}


def test_variants_share_the_requests_and_scale_by_them(whole: dict[str, Any]) -> None:
    (config,) = of_type(whole, "AWS::SageMaker::EndpointConfig")
    weights = {
        variant["VariantName"]: variant["InitialVariantWeight"]
        for variant in config["ProductionVariants"]
    }
    assert weights == {"blue": 0.9, "green": 0.1}
    (key,) = whole["Resources"].keys() & {config["KmsKeyId"]["Fn::GetAtt"][0]}
    assert whole["Resources"][key]["Type"] == "AWS::KMS::Key"
    capture = config["DataCaptureConfig"]
    assert (capture["EnableCapture"], capture["InitialSamplingPercentage"]) == (True, 20)
    targets = of_type(whole, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert {
        (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) for target in targets
    } == {
        ("endpoint/deeplens-dev/variant/blue", 1, 3),
        ("endpoint/deeplens-dev/variant/green", 1, 3),
    }
    (endpoint,) = of_type(whole, "AWS::SageMaker::Endpoint")
    assert endpoint["RetainAllVariantProperties"] is True
    assert endpoint["ExcludeRetainedVariantProperties"] == [
        {"VariantPropertyType": "DesiredWeight"}
    ]


def test_each_variant_has_its_alarms_and_they_bring_the_old_version_back(
    whole: dict[str, Any],
) -> None:
    alarms = {
        logical_id: resource["Properties"]
        for logical_id, resource in whole["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    watched = {
        (alarm["MetricName"], *(each["Value"] for each in alarm["Dimensions"]))
        for alarm in alarms.values()
    }
    assert watched == {
        (metric, "deeplens-dev", variant)
        for metric in ("Invocation5XXErrors", "InvocationModelErrors", "ModelLatency")
        for variant in ("blue", "green")
    }
    (endpoint,) = of_type(whole, "AWS::SageMaker::Endpoint")
    rollback = endpoint["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    assert {alarm["AlarmName"]["Ref"] for alarm in rollback} == set(alarms)
    for alarm in alarms.values():
        assert "dev-Monitoring:" in text(alarm["AlarmActions"][0])


def test_a_serverless_endpoint_has_only_what_sagemaker_gives_it(
    templates_of_hosted: Templates,
) -> None:
    template = templates_of_hosted["staging-Hosting"]
    (config,) = of_type(template, "AWS::SageMaker::EndpointConfig")
    assert set(config) == {"ProductionVariants", "Tags"}
    (variant,) = config["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 3072, "MaxConcurrency": 5}
    assert not {"InstanceType", "InitialInstanceCount"} & set(variant)
    (endpoint,) = of_type(template, "AWS::SageMaker::Endpoint")
    assert set(endpoint) == {"EndpointConfigName", "EndpointName", "Tags"}
    (model,) = of_type(template, "AWS::SageMaker::Model")
    assert model["EnableNetworkIsolation"] is False
    types = {resource["Type"] for resource in template["Resources"].values()}
    assert not {"AWS::KMS::Key", "AWS::ApplicationAutoScaling::ScalableTarget"} & types


def test_the_rules_see_an_open_hosting_role(stacks: list[Stack]) -> None:
    environment = by_environment(stacks)["dev"]
    (index,) = (number for number, stack in enumerate(environment) if stack.name == "dev-Hosting")

    def fires(rule: str, old: str, new: str) -> bool:
        content = json.dumps(copy.deepcopy(environment[index].template))
        assert old in content
        changed = list(environment)
        template = json.loads(content.replace(old, new))
        changed[index] = Stack("dev-Hosting", environment[index].account, template)
        return rule in {finding.rule for finding in violations(changed)}

    assert fires("no-resource-star", '"cloudwatch:namespace"', '"aws:RequestedRegion"')
    assert fires("only-own-account", ":763104351884:repository", ":123456789012:repository")
    assert fires("alarms-notify", "dev-Monitoring:", "production-Monitoring:")


def test_the_registries_are_those_that_cdk_knows() -> None:
    known = 0
    for region in GREENGRASS_REGIONS:
        account = region_info.RegionInfo.get(region).dlc_repository_account
        if account:
            assert registry_account(region) == account, region
            known += 1
    assert known > 10
