"""`deeplens fleet doctor` reports one finding for each stack state, quota or AWS error."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.stub import Stubber

from deeplens.cli.fleet.doctor import report
from deeplens.config import EnvironmentConfig, load_environment
from deeplens.fleet import toolkit
from deeplens.fleet.doctor import (
    Finding,
    Outcome,
    Patient,
    account,
    device,
    examine,
    quotas,
    simulation,
    stacks,
)
from deeplens.fleet.session import FleetSession
from deeplens.fleet.stacks import DeployedStack

ROOT = Path(__file__).parents[3]
SHAPE = botocore.session.get_session().get_service_model("cloudformation").shape_for("StackStatus")
# All stack statuses except DELETE_COMPLETE, because a deleted stack is equivalent to a stack that
# does not exist.
STATUSES = [status for status in SHAPE.enum if status != "DELETE_COMPLETE"]


class Session:
    """A session whose clients return prepared responses and reject other calls."""

    def __init__(self, **services: list[tuple[str, dict[str, Any]]]) -> None:
        self._session = boto3.Session("key", "secret", region_name="eu-central-1")
        self._services = {name.replace("_", "-"): answers for name, answers in services.items()}

    def client(self, service: str) -> Any:
        client: Any = self._session.client(service)  # type: ignore[call-overload]
        stubber = Stubber(client)
        for operation, answer in self._services.get(service, []):
            if "Error" in answer:
                stubber.add_client_error(
                    operation, answer["Error"]["Code"], answer["Error"]["Message"]
                )
            else:
                stubber.add_response(operation, answer)
        stubber.activate()
        return client


def patient(
    tmp_path: Path, text: str = "", **services: list[tuple[str, dict[str, Any]]]
) -> Patient:
    file = tmp_path / "dev.toml"
    file.write_text((ROOT / "environments/dev.toml").read_text(encoding="utf-8") + text)
    environment: EnvironmentConfig = load_environment(file)
    session: Any = Session(**services)
    return Patient(FleetSession(environment, session), ROOT / "models")


@pytest.mark.parametrize("protected", [False, True])
@pytest.mark.parametrize("status", STATUSES)
def test_each_status_of_a_stack_has_an_outcome_and_a_blocking_one_a_way_out(
    status: str, *, protected: bool
) -> None:
    found = stacks.judge(DeployedStack("dev-Inference", status, protected))
    assert status in found.text
    if found.outcome == Outcome.BLOCKED:
        assert found.repair.startswith("aws cloudformation ")
        assert "dev-Inference" in found.repair


@pytest.mark.parametrize(
    ("status", "protected", "outcome", "repair"),
    [
        ("UPDATE_COMPLETE", True, Outcome.OK, ""),
        ("UPDATE_ROLLBACK_COMPLETE", True, Outcome.WARNING, "describe-stack-events"),
        ("UPDATE_ROLLBACK_FAILED", True, Outcome.BLOCKED, "continue-update-rollback"),
        # `cdk deploy` deletes the stack unless termination protection is on.
        ("ROLLBACK_COMPLETE", False, Outcome.WARNING, ""),
        ("ROLLBACK_COMPLETE", True, Outcome.BLOCKED, "--no-enable-termination-protection"),
        ("DELETE_FAILED", False, Outcome.BLOCKED, "delete-stack"),
        ("UPDATE_IN_PROGRESS", False, Outcome.BLOCKED, "describe-stacks"),
    ],
)
def test_the_outcome_and_the_repair_fit_the_status(
    status: str, *, protected: bool, outcome: Outcome, repair: str
) -> None:
    found = stacks.judge(DeployedStack("dev-Inference", status, protected))
    assert found.outcome == outcome
    assert repair in found.repair


@pytest.mark.parametrize("status", STATUSES)
def test_the_ways_out_are_commands_of_the_api(status: str) -> None:
    """Each proposed `aws cloudformation` command is an API operation with valid parameters."""
    words = stacks.judge(DeployedStack("s", status, protected=True)).repair.split()
    if not words:
        return
    model = botocore.session.get_session().get_service_model("cloudformation")
    operation = "".join(word.title() for word in words[2].split("-"))
    assert operation in model.operation_names
    members = model.operation_model(operation).input_shape.members
    assert "StackName" in members


@pytest.mark.parametrize(
    ("unreserved", "outcome"), [(0, Outcome.BLOCKED), (10, Outcome.WARNING), (1000, Outcome.OK)]
)
def test_the_concurrency_of_a_new_account_is_a_warning(
    tmp_path: Path, unreserved: int, outcome: Outcome
) -> None:
    limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": unreserved}
    answers = [("get_account_settings", {"AccountLimit": limit})]
    [found] = quotas.lambda_concurrency(patient(tmp_path, **{"lambda": answers}))
    assert found.outcome == outcome
    assert str(unreserved) in found.text


TRAINING = "\n[training]\nenabled = true\nspot = true\n"


def test_instances_that_the_account_may_not_start_block(tmp_path: Path) -> None:
    names = ["ml.g4dn.xlarge for spot training job usage", "ml.m5.large for processing job usage"]
    listed = [
        {"QuotaName": names[0], "QuotaCode": "L-1", "Value": 0.0},
        {"QuotaName": names[1], "QuotaCode": "L-2", "Value": 4.0},
    ]
    answers = [("list_service_quotas", {"Quotas": listed})]
    spot, processing = quotas.sagemaker_instances(
        patient(tmp_path, TRAINING, service_quotas=answers)
    )
    assert spot.outcome == Outcome.BLOCKED
    assert "--quota-code L-1 --desired-value 1" in spot.repair
    assert processing.outcome == Outcome.OK


def test_without_instances_no_quota_is_requested(tmp_path: Path) -> None:
    [found] = quotas.sagemaker_instances(patient(tmp_path))
    assert found.outcome == Outcome.OK


@pytest.mark.parametrize(
    ("policies", "outcome"),
    [(["AdministratorAccess"], Outcome.WARNING), ([], Outcome.BLOCKED), (["Own"], Outcome.OK)],
)
def test_an_execution_role_has_neither_no_policy_nor_every_right(
    tmp_path: Path, policies: list[str], outcome: Outcome
) -> None:
    attached = [{"PolicyName": name, "PolicyArn": f"arn:aws:iam::aws:policy/{name}x"}
                for name in policies]  # fmt: skip
    answers = [("list_attached_role_policies", {"AttachedPolicies": attached})]
    [found] = account.execution_role(patient(tmp_path, iam=answers))
    assert found.outcome == outcome
    assert bool(found.repair) == (outcome != Outcome.OK)


def test_a_check_that_aws_denies_is_not_checked_and_the_others_go_on(tmp_path: Path) -> None:
    denied = {"Error": {"Code": "AccessDeniedException", "Message": "User: x is not authorized"}}
    answers = {"lambda": [("get_account_settings", denied)]}
    findings = {one.check: one for one in examine(patient(tmp_path, **answers))}
    found = findings["Lambda concurrency"]
    assert found.outcome == Outcome.NOT_CHECKED
    assert "User: x is not authorized" in found.text
    assert "policies/people/fleet.json" in found.repair
    assert findings["SageMaker quotas"].outcome == Outcome.OK


def test_a_nucleus_of_another_version_is_a_warning(tmp_path: Path) -> None:
    core = {
        "coreDeviceThingName": "cam",
        "coreVersion": "2.18.0",
        "status": "HEALTHY",
        "lastStatusUpdateTimestamp": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    [found] = device.core_device(patient(tmp_path, greengrassv2=[("get_core_device", core)]), "cam")
    assert found.outcome == Outcome.WARNING
    assert "2026-01-02T03:04:05Z" in found.text
    assert "restarts the nucleus" in found.text


@pytest.mark.parametrize(
    ("version", "outcome"),
    [
        ("2.3.2", Outcome.BLOCKED),
        ("2.4.0", Outcome.OK),
        ("2.10.0", Outcome.OK),
        ("unknown", Outcome.OK),
    ],
)
def test_a_nucleus_lite_that_cannot_finish_a_deployment_blocks(
    tmp_path: Path, version: str, outcome: Outcome
) -> None:
    core = {
        "coreDeviceThingName": "cam",
        "coreVersion": version,
        "status": "HEALTHY",
        "lastStatusUpdateTimestamp": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    given = patient(tmp_path, greengrassv2=[("get_core_device", core)])
    fleet = given.session.environment.fleet.model_copy(update={"core_runtime": "lite"})
    lite = given.session.environment.model_copy(update={"fleet": fleet})
    session = replace(given.session, environment=lite)
    [found] = device.core_device(replace(given, session=session), "cam")
    assert found.outcome == outcome
    assert ("deployments need nucleus lite 2.4.0 or later" in found.text) == bool(found.repair)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("EXCLUSIVE_THING", Outcome.OK), ("NON_EXCLUSIVE_THING", Outcome.WARNING)],
)
def test_a_certificate_that_is_not_exclusive_is_a_warning(
    tmp_path: Path, kind: str, outcome: Outcome
) -> None:
    arn = "arn:aws:iot:eu-central-1:111111111111:cert/" + "a" * 64
    answers: list[tuple[str, dict[str, Any]]] = [
        ("list_thing_principals", {"principals": [arn]}),
        ("list_principal_things", {"things": ["cam"]}),
        (
            "list_thing_principals_v2",
            {"thingPrincipalObjects": [{"principal": arn, "thingPrincipalType": kind}]},
        ),
    ]
    [found] = device.attachment(patient(tmp_path, iot=answers), "cam")
    assert found.outcome == outcome


def test_a_certificate_of_two_things_is_a_warning_that_names_the_other_one(
    tmp_path: Path,
) -> None:
    arn = "arn:aws:iot:eu-central-1:111111111111:cert/" + "a" * 64
    answers: list[tuple[str, dict[str, Any]]] = [
        ("list_thing_principals", {"principals": [arn]}),
        ("list_principal_things", {"things": ["cam", "other"]}),
    ]
    [found] = device.attachment(patient(tmp_path, iot=answers), "cam")
    assert found.outcome == Outcome.WARNING
    assert "--thing-name other" in found.repair


def test_actions_that_iam_denies_are_named(tmp_path: Path) -> None:
    made = patient(tmp_path)
    answers: list[tuple[str, dict[str, Any]]] = [
        (
            "simulate_principal_policy",
            {
                "EvaluationResults": [
                    {
                        "EvalActionName": action,
                        "EvalDecision": (
                            "implicitDeny" if action == "iam:ListRolePolicies" else "allowed"
                        ),
                    }
                    for action in actions
                ]
            },
        )
        for _, actions in simulation.needed(made.session.environment)
    ]
    [found] = simulation.rights(patient(tmp_path, iam=answers))
    assert found.outcome == Outcome.BLOCKED
    assert "1 of " in found.text
    assert "iam:ListRolePolicies on arn:aws:iam::111111111111:role/dev-Inference-" in found.text


def test_the_report_has_one_line_per_finding_and_a_summary() -> None:
    findings = [
        Finding("bootstrap", Outcome.BLOCKED, "is absent\x1b[2J", "cdk bootstrap aws://1/x"),
        Finding("names", Outcome.OK, "all free"),
    ]
    lines = list(report(findings))
    assert len(lines) == 4
    assert "is absent" in lines[1]
    assert "\x1b[2J" not in lines[1]
    assert lines[1].endswith("; repair: cdk bootstrap aws://1/x")
    assert lines[-1] == "1 ok, 1 blocked"


def test_the_names_of_the_bootstrap_are_those_of_the_cdk_settings() -> None:
    settings = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))
    assert settings["context"]["@aws-cdk/core:bootstrapQualifier"] == toolkit.QUALIFIER
    assert settings["toolkitStackName"] == toolkit.STACK
    template = json.loads((ROOT / "tests/synth/golden/dev-Devices.json").read_text())
    [assertion] = template["Rules"]["CheckBootstrapVersion"]["Assertions"]
    refused, _ = assertion["Assert"]["Fn::Not"][0]["Fn::Contains"]
    assert max(int(one) for one in refused) + 1 == toolkit.LEAST_VERSION
    assert template["Parameters"]["BootstrapVersion"]["Default"] == toolkit.VERSION_PARAMETER
