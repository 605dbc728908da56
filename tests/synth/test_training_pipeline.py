"""The Training stack of an environment, and the code of its jobs."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeplens.assembly import Stack, by_environment, read_assembly, text
from deeplens.config import ConfigError, load_environment
from deeplens.policy import violations
from deeplens.policy.check_templates import nag_findings
from deeplens.policy.checkov import checkov_findings
from stacks.constructs.pipeline_steps import Parameter, PipelineDefinition, Step, get
from tests.synth.synthesis import ROOT, TRAINING, synthesize

pytestmark = pytest.mark.process

DEV = ROOT / "environments/dev.toml"


@pytest.fixture(scope="module")
def assembly_with_training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    (folder / "environments").mkdir()
    (folder / "environments/dev.toml").write_text(DEV.read_text(encoding="utf-8") + TRAINING)
    result = synthesize(folder / "out", folder / "environments", nag="true")
    assert result.returncode == 0, result.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def stack(assembly_with_training: Path) -> Stack:
    stacks = read_assembly(assembly_with_training)
    (training,) = (stack for stack in stacks if stack.name == "dev-Training")
    return training


@pytest.fixture(scope="module")
def definition(stack: Stack) -> dict[str, Any]:
    (pipeline,) = of_type(stack.template, "AWS::SageMaker::Pipeline")
    definition: dict[str, Any] = json.loads(
        text(pipeline["PipelineDefinition"]["PipelineDefinitionBody"])
    )
    return definition


def of_type(template: dict[str, Any], type_: str) -> list[dict[str, Any]]:
    return [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == type_
    ]


def step(definition: dict[str, Any], name: str) -> dict[str, Any]:
    decide = definition["Steps"][-1]["Arguments"]
    steps = [*definition["Steps"], *decide["IfSteps"], *decide["ElseSteps"]]
    (named,) = (step for step in steps if step["Name"] == name)
    return dict(named)


def test_no_scanner_and_no_rule_finds_anything(assembly_with_training: Path, stack: Stack) -> None:
    assert nag_findings(assembly_with_training / "validation-report.json") == []
    for environment in by_environment(read_assembly(assembly_with_training)).values():
        assert [str(finding) for finding in violations(environment)] == []
    assert checkov_findings([stack.file]) == []
    lint = subprocess.run(
        [ROOT / ".venv/bin/cfn-lint", "--non-zero-exit-code", "warning", stack.file],
        check=False,
        capture_output=True,
        text=True,
    )
    assert lint.returncode == 0, lint.stdout


def test_jobs_may_list_the_code_that_they_read_by_prefix(
    stack: Stack, definition: dict[str, Any]
) -> None:
    (code,) = (
        input_["S3Input"]
        for input_ in step(definition, "FreezeAndVerify")["Arguments"]["ProcessingInputs"]
        if input_["InputName"] == "code"
    )
    assert code["S3DataType"] == "S3Prefix"
    bucket, _, key = code["S3Uri"].removeprefix("s3://").partition("/")
    granted = [
        statement
        for policy in of_type(stack.template, "AWS::IAM::ManagedPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Sid"] in {"ListCode", "ReadCode"}
    ]
    listing, reading = sorted(granted, key=lambda statement: str(statement["Sid"]))
    assert (listing["Action"], reading["Action"]) == ("s3:ListBucket", "s3:GetObject")
    assert text(listing["Resource"]) == f"arn:aws:s3:::{bucket}"
    assert listing["Condition"] == {"StringLike": {"s3:prefix": f"{key}*"}}
    assert text(reading["Resource"]) == f"arn:aws:s3:::{bucket}/{key}"


def test_the_definition_has_the_schemas_form(definition: dict[str, Any]) -> None:
    """The members, parameter types and step types of the definition are those of the schema."""
    assert definition["Version"] == "2020-12-01"
    assert set(definition) == {
        "Version", "Metadata", "Parameters", "PipelineExperimentConfig", "Steps",
    }  # fmt: skip
    # The pipeline's role cannot create experiments and trials, so the value must be null.
    assert definition["PipelineExperimentConfig"] is None
    for parameter in definition["Parameters"]:
        assert set(parameter) == {"Name", "Type", "DefaultValue"}
        kind = {"String": str, "Float": float, "Integer": int}[parameter["Type"]]
        assert isinstance(parameter["DefaultValue"], kind)
    types = {step["Name"]: step["Type"] for step in definition["Steps"]}
    assert types == {
        "Train": "Training", "FreezeAndVerify": "Processing", "GoodEnough": "Condition",
    }  # fmt: skip
    assert step(definition, "Register")["Type"] == "RegisterModel"
    assert step(definition, "NotGoodEnough")["Type"] == "Fail"


def test_jobs_are_named_for_deeplens_and_work_below_the_guides_prefixes(
    definition: dict[str, Any],
) -> None:
    train = step(definition, "Train")["Arguments"]
    verify = step(definition, "FreezeAndVerify")["Arguments"]
    assert train["TrainingJobName"].startswith("deeplens-")
    assert verify["ProcessingJobName"].startswith("deeplens-")
    headpose = "s3://deeplens-dev-111111111111-eu-central-1/headpose"
    assert train["OutputDataConfig"]["S3OutputPath"] == f"{headpose}/TFartifacts"
    assert definition["Parameters"][0]["DefaultValue"] == f"{headpose}/datasets/"


def test_cost_is_bounded_by_the_environment_file(definition: dict[str, Any]) -> None:
    train = step(definition, "Train")["Arguments"]
    assert train["ResourceConfig"] == {
        "InstanceCount": 1, "InstanceType": "ml.g4dn.xlarge", "VolumeSizeInGB": 30,
    }  # fmt: skip
    assert train["EnableManagedSpotTraining"] is True
    assert train["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 14_400, "MaxWaitTimeInSeconds": 28_800,
    }  # fmt: skip
    assert train["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"
    assert train["AlgorithmSpecification"]["TrainingImage"].endswith(":2.19.0-gpu-py312")
    verify = step(definition, "FreezeAndVerify")["Arguments"]
    assert verify["AppSpecification"]["ImageUri"].endswith(":2.19.0-cpu-py312")


def test_only_a_model_that_is_good_enough_is_registered_and_waits_for_approval(
    definition: dict[str, Any],
) -> None:
    accuracy, parity = step(definition, "GoodEnough")["Arguments"]["Conditions"]
    assert accuracy["Type"] == "GreaterThanOrEqualTo"
    assert accuracy["LeftValue"] == get("Steps.Train.FinalMetricDataList['accuracy'].Value")
    assert accuracy["RightValue"] == get("Parameters.MinimumAccuracy")
    assert parity["Type"] == "LessThanOrEqualTo"
    assert parity["LeftValue"]["Std:JsonGet"]["Path"] == "maximum_difference"
    register = step(definition, "Register")["Arguments"]
    assert register["ModelApprovalStatus"] == "PendingManualApproval"
    assert register["ModelPackageGroupName"] == "deeplens-dev-headpose"
    reason = json.dumps(step(definition, "NotGoodEnough")["Arguments"]["ErrorMessage"])
    for named in ("FinalMetricDataList", "MinimumAccuracy", "maximum_difference"):
        assert named in reason


def test_the_pipeline_starts_its_own_jobs_and_passes_one_role(stack: Stack) -> None:
    statements = {
        statement["Sid"]: statement
        for policy in of_type(stack.template, "AWS::IAM::ManagedPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
    }
    assert all("/deeplens-*" in text(arn) for arn in statements["RunJobs"]["Resource"])
    assert all(
        "/deeplens-dev-headpose" in text(arn) for arn in statements["RegisterModels"]["Resource"]
    )
    passed = statements["GiveJobsTheirRole"]
    assert text(passed["Resource"]).startswith("${RolesJobs")
    assert passed["Condition"]["StringEquals"] == {"iam:PassedToService": "sagemaker.amazonaws.com"}
    assert statements["ReadAndWriteWork"]["Resource"] == [
        f"arn:aws:s3:::deeplens-dev-111111111111-eu-central-1/{prefix}/*"
        for prefix in ("datasets", "headpose")
    ]


def test_the_notebook_is_locked_down(stack: Stack) -> None:
    (notebook,) = of_type(stack.template, "AWS::SageMaker::NotebookInstance")
    assert notebook["DirectInternetAccess"] == "Disabled"
    assert notebook["RootAccess"] == "Disabled"
    assert notebook["SubnetId"] == "subnet-0123456789abcdef0"
    assert "Fn::GetAtt" in notebook["KmsKeyId"]
    metadata = notebook["InstanceMetadataServiceConfiguration"]
    assert metadata == {"MinimumInstanceMetadataServiceVersion": "2"}


def _definition(*steps: Step) -> PipelineDefinition:
    return PipelineDefinition([Parameter("Epochs", "Integer", 1)], steps)


def test_a_definition_that_sagemaker_would_refuse_is_seen() -> None:
    first = Step("One", "Training", {"a": get("Steps.Two.x"), "b": get("Parameters.Epoch")})
    two = Step("Two", "Processing", {"a": [get("Steps.One.x")]})
    assert set(_definition(first, two).problems()) == {
        "One: there is no parameter Epoch",
        "One: waits for itself",
        "Two: waits for itself",
    }
    alone = Step("One", "Training", {"a": get("Steps.Three.x")})
    assert list(
        _definition(alone, Step("Two", "Fail", {}), Step("Two", "Fail", {})).problems()
    ) == [
        "two steps are called Two",
        "One: there is no step Three",
    ]
    good = Step("Two", "Processing", {"a": [get("Steps.One.x"), get("Parameters.Epochs")]})
    assert list(_definition(Step("One", "Training", {}), good).problems()) == []


@pytest.mark.parametrize(
    ("text_", "complaint"),
    [
        ('framework_version = "1.4"', "'1.4', expected .* 2.19"),
        ('instance_type = "ml.trn1.2xlarge"', "other containers"),
        ("spot = true\nmaximum_wait_seconds = 60", "is less than maximum_run_seconds"),
        ("minimum_accuracy = 95", "expected at most 1"),
        ("[training.notebook]", "training.notebook.subnet: is missing"),
    ],
)
def test_a_wrong_training_section_is_refused(tmp_path: Path, text_: str, complaint: str) -> None:
    file = tmp_path / "dev.toml"
    file.write_text(f"{DEV.read_text(encoding='utf-8')}\n[training]\n{text_}\n")
    with pytest.raises(ConfigError, match=complaint):
        load_environment(file)


@pytest.fixture
def laid_out(tmp_path: Path) -> Callable[[str], Path]:
    """A function that creates a folder below `tmp_path`/ml, which represents /opt/ml."""

    def make(name: str) -> Path:
        folder = tmp_path / "ml" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    return make


@pytest.mark.slow
def test_the_jobs_run_from_the_uploaded_sources_alone(
    assembly_with_training: Path,
    definition: dict[str, Any],
    laid_out: Callable[[str], Path],
) -> None:
    """Run Train and FreezeAndVerify as their containers do, without installing requirements."""
    hyperparameters = step(definition, "Train")["Arguments"]["HyperParameters"]
    url = json.loads(hyperparameters["sagemaker_submit_directory"])
    code, channel, model = laid_out("code"), laid_out("input/data/training"), laid_out("model")
    asset = assembly_with_training / f"asset.{url.rpartition('/')[2]}"
    shutil.unpack_archive(asset, code, "gztar")
    chance = np.random.default_rng(0)
    np.savez(
        channel / "heads.npz",
        train_pictures=chance.integers(0, 255, (36, 84, 84, 3), np.uint8),
        train_poses=np.arange(36) % 9,
        test_pictures=chance.integers(0, 255, (9, 84, 84, 3), np.uint8),
        test_poses=np.arange(9),
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(code),
        "SM_CHANNEL_TRAINING": str(channel),
        "SM_MODEL_DIR": str(model),
        "SM_OUTPUT_DATA_DIR": str(laid_out("output/data")),
    }

    def run(*arguments: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=code, env=environment, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    program = json.loads(hyperparameters["sagemaker_program"])
    output = run(
        program, "--variant", json.loads(hyperparameters["variant"]), "--epochs", 1,
        "--batch-size", hyperparameters["batch-size"], "--checkpoints", laid_out("checkpoints"),
    )  # fmt: skip
    assert "accuracy=" in output
    packed = laid_out("processing/input/model") / "model.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(model / "export", "export")
    output = laid_out("processing/output")
    run(
        "-m", "model_tools.samples.headpose.verification_job", "--model", packed, "--output", output
    )
    verification = json.loads((output / "verification.json").read_text(encoding="utf-8"))
    assert verification["maximum_difference"] < 1e-4
    assert (output / "frozen" / "frozen_model.pb").stat().st_size == verification["frozen_bytes"]
