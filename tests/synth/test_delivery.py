"""The template of the pipeline that delivery.toml defines."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deeplens.assembly import by_environment, read_assembly
from deeplens.config import ConfigError, load_delivery, load_environments
from deeplens.policy import violations
from tests.synth.synthesis import DELIVERY, ROOT, synthesize

pytestmark = pytest.mark.process

ENVIRONMENTS = load_environments(ROOT / "environments")

Template = dict[str, Any]
Stages = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of the committed environments with a pipeline."""
    folder = tmp_path_factory.mktemp("delivered")
    (folder / "environments").mkdir()
    for file in (ROOT / "environments").glob("*.toml"):
        (folder / "environments" / file.name).write_bytes(file.read_bytes())
    (folder / "delivery.toml").write_text(DELIVERY, encoding="utf-8")
    result = synthesize(folder / "out", folder / "environments", nag="true")
    assert result.returncode == 0, result.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def template(delivered: Path) -> Template:
    content: Template = json.loads((delivered / "Delivery.template.json").read_text("utf-8"))
    return content


@pytest.fixture(scope="module")
def stages(template: Template) -> Stages:
    """The actions of each stage in execution order."""
    (pipeline,) = of_type(template, "AWS::CodePipeline::Pipeline")
    return {
        stage["Name"]: sorted(stage["Actions"], key=lambda action: int(action["RunOrder"]))
        for stage in pipeline["Properties"]["Stages"]
    }


def of_type(template: Template, type_: str) -> list[dict[str, Any]]:
    return [resource for resource in template["Resources"].values() if resource["Type"] == type_]


def commands(template: Template, action: dict[str, Any]) -> str:
    project = template["Resources"][action["Configuration"]["ProjectName"]["Ref"]]
    build = json.loads(project["Properties"]["Source"]["BuildSpec"])["phases"]["build"]
    return "\n".join(build["commands"])


def test_a_release_goes_from_dev_to_production(stages: Stages) -> None:
    assert list(stages) == [
        "Source",
        "Build",
        "UpdatePipeline",
        "Assets",
        "dev",
        "staging",
        "production",
    ]


def test_it_is_synthesized_once_after_checks_tests_and_review(
    template: Template, stages: Stages
) -> None:
    (synth,) = stages["Build"]
    assert commands(template, synth).splitlines() == [
        "make setup",
        "make check",
        "make test",
        ".venv/bin/deeplens review HEAD~1",
    ]
    everything = json.dumps(template)
    assert everything.count("make check") == 1
    assert len(synth["OutputArtifacts"]) == 2  # the assembly and the review page


def test_the_checks_have_a_large_build_with_python_3_12_time_and_a_cache(
    template: Template, stages: Stages
) -> None:
    project = template["Resources"][stages["Build"][0]["Configuration"]["ProjectName"]["Ref"]]
    properties = project["Properties"]
    assert properties["Environment"]["ComputeType"] == "BUILD_GENERAL1_LARGE"
    # The other settings of the pipeline's builds remain.
    assert properties["Environment"]["Image"] == "aws/codebuild/standard:7.0"
    assert properties["TimeoutInMinutes"] == 120
    assert properties["Cache"] == {"Type": "LOCAL", "Modes": ["LOCAL_CUSTOM_CACHE"]}
    build = json.loads(properties["Source"]["BuildSpec"])
    assert build["phases"]["install"]["runtime-versions"] == {"python": "3.12"}
    assert "/root/.cache/uv/**/*" in build["cache"]["paths"]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_each_stage_deploys_what_that_synthesis_made_into_its_own_account(
    delivered: Path, stages: Stages, environment: Any
) -> None:
    deploys = [
        action
        for action in stages[environment.name]
        if action["ActionTypeId"]["Provider"] == "CloudFormation"
    ]
    prepared = [action for action in deploys if "TemplatePath" in action["Configuration"]]
    ours = {stack.name: stack for stack in read_assembly(delivered) if stack.environment}
    names = {name for name in ours if name.startswith(f"{environment.name}-")}
    assert {action["Configuration"]["StackName"] for action in prepared} == names
    (assembly,) = stages["Build"][0]["OutputArtifacts"][:1]
    for action in prepared:
        artifact, _, path = action["Configuration"]["TemplatePath"].partition("::")
        assert artifact == assembly["Name"]
        assert [given["Name"] for given in action["InputArtifacts"]] == [artifact]
        file = delivered / path
        assert file == ours[action["Configuration"]["StackName"]].file
    for action in deploys:
        assert f"::{environment.account}:role/" in action["RoleArn"]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_each_stage_ends_with_a_gate_that_asks_for_the_pinned_digest(
    delivered: Path, template: Template, stages: Stages, environment: Any
) -> None:
    gate = stages[environment.name][-1]
    asked = commands(template, gate)
    assert f"release check {environment.name} --digest {environment.model.digest} " in asked
    assert "--bake-minutes 15 " in asked
    role = re.search(r"--assume-role (\S+)", asked)
    assert role
    assert f"::{environment.account}:role/cdk-deeplens-lookup-role-" in role[1]
    text = next(delivered.glob(f"assembly-{environment.name}/*Inference*.template.json"))
    assert environment.model.digest in text.read_text(encoding="utf-8")


def test_production_waits_for_a_person_who_is_told_the_digest(stages: Stages) -> None:
    approval, *rest = stages["production"]
    assert approval["ActionTypeId"]["Provider"] == "Manual"
    assert all(int(action["RunOrder"]) > int(approval["RunOrder"]) for action in rest)
    digest = next(
        environment.model.digest for environment in ENVIRONMENTS if environment.name == "production"
    )
    assert digest in approval["Configuration"]["CustomData"]
    assert not any(
        action["ActionTypeId"]["Provider"] == "Manual"
        for action in stages["dev"] + stages["staging"]
    )


def test_an_approval_is_waited_for_as_long_as_the_file_says(stages: Stages) -> None:
    assert stages["production"][0]["TimeoutInMinutes"] == 6 * 60
    assert not any("TimeoutInMinutes" in action for action in stages["staging"])


def test_a_newly_approved_model_package_starts_the_pipeline_and_nothing_else_does(
    template: Template,
) -> None:
    (name,) = (
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CodePipeline::Pipeline"
    )
    (rule,) = of_type(template, "AWS::Events::Rule")
    assert rule["Properties"]["EventPattern"] == {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelPackageGroupName": ["deeplens-shapes"],
            "ModelApprovalStatus": ["Approved"],
        },
    }
    (target,) = rule["Properties"]["Targets"]
    assert name in json.dumps(target["Arn"])
    role = template["Resources"][target["RoleArn"]["Fn::GetAtt"][0]]
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    granted = [
        statement
        for policy in of_type(template, "AWS::IAM::Policy")
        if policy["Properties"]["Roles"] == [{"Ref": target["RoleArn"]["Fn::GetAtt"][0]}]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    assert [statement["Action"] for statement in granted] == [
        ["codepipeline:StartPipelineExecution"]
    ]


def test_no_role_trusts_a_service_for_a_stranger_and_no_action_is_a_wildcard(
    template: Template,
) -> None:
    for role in of_type(template, "AWS::IAM::Role"):
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
            if "Service" in statement["Principal"]:
                assert statement["Condition"]["StringEquals"] == {
                    "aws:SourceAccount": "999999999999"
                }
    for policy in of_type(template, "AWS::IAM::Policy"):
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            assert not any("*" in action for action in statement["Action"]), statement
            assert statement["Resource"] != "*"


def test_one_role_starts_builds_of_named_projects_and_no_role_writes_reports(
    template: Template,
) -> None:
    granted = [
        statement
        for policy in of_type(template, "AWS::IAM::Policy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "codebuild:" in json.dumps(statement["Action"])
    ]
    (starts,) = granted
    assert "codebuild:StartBuild" in starts["Action"]
    projects = {resource["Fn::GetAtt"][0] for resource in starts["Resource"]}
    assert projects <= {
        name for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CodeBuild::Project"
    }  # fmt: skip


def test_nag_the_projects_rules_and_cfn_lint_find_nothing(delivered: Path) -> None:
    report = json.loads((delivered / "validation-report.json").read_text("utf-8"))
    assert not any(plugin["violations"] for plugin in report["pluginReports"])
    grouped = by_environment(read_assembly(delivered))
    assert "" in grouped
    assert [str(finding) for stacks in grouped.values() for finding in violations(stacks)] == []
    lint = subprocess.run(
        [ROOT / ".venv/bin/cfn-lint", delivered / "Delivery.template.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stdout


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("approve =", "aprove =", "aprove: unknown key; did you mean 'approve'?"),
        ('approve = ["production"]', "approve = []", "needs an approval by a person"),
        ('["production"]', '["qa"]', "approve: given 'qa', expected an environment"),
        ('["dev", "staging"', '["staging", "dev"', "the order is that of promotions"),
        ('"dev", ', "", "promoted_from = 'dev'"),
        (
            '"999999999999"\n',
            '"99"\n',
            "given '99', expected the twelve digits of the AWS account",
        ),
        ('repository = "team/cameras"\n', "", "repository: is missing; expected for example"),
        (
            'region = "eu-central-1"',
            'region = "us-east-1"',
            "region: given 'us-east-1', expected 'eu-central-1', the Region of dev",
        ),
        ("connection/0", "connection/x", "connection_arn: given"),
        ("= [", "= ", "not valid TOML"),
        ("hours = 6", "hours = 200", "approval_hours: given 200, expected at most 168"),
        ("deeplens-shapes", "deeplens shapes", "model_package_group: given 'deeplens shapes'"),
    ],
)
def test_a_wrong_delivery_is_one_clear_line(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in DELIVERY
    (tmp_path / "delivery.toml").write_text(DELIVERY.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_delivery(tmp_path / "delivery.toml", ENVIRONMENTS)
    assert problem in str(error.value)


def test_no_file_is_no_pipeline(tmp_path: Path) -> None:
    assert load_delivery(tmp_path / "delivery.toml", ENVIRONMENTS) is None
