"""Approvals of the pipeline are read from CodePipeline's API."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deeplens.config import ConfigError
from deeplens.releases.aws import AwsAccounts
from deeplens.releases.executions import ask_pipeline, executions_of, read_record
from model_tools.errors import RegistryError
from tests.promotion.conftest import ROOT

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PERSON = "arn:aws:sts::999999999999:assumed-role/Approver/person"


def approval(status: str, **more: Any) -> dict[str, Any]:
    return {
        "stageName": "production",
        "actionName": "Approve",
        "status": status,
        "lastUpdateTime": AT,
        "input": {
            "actionTypeId": {
                "category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1",
            },
            "configuration": {"CustomData": "production gets shapes, SHA-256 aaa"},
        },
        **more,
    }  # fmt: skip


def told(*actions: dict[str, Any]) -> Any:
    """Return the execution read from CodePipeline's responses, which botocore validates."""
    connect: Any = boto3.client
    client = connect(
        "codepipeline",
        region_name="eu-central-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    id_ = "00000000-0000-0000-0000-000000000001"
    with Stubber(client) as stubber:
        stubber.add_response(
            "list_pipeline_executions",
            {
                "pipelineExecutionSummaries": [
                    {"pipelineExecutionId": id_, "status": "Succeeded", "lastUpdateTime": AT}
                ]
            },
            {"pipelineName": "Pipeline", "maxResults": 50},
        )
        stubber.add_response(
            "list_action_executions",
            {"actionExecutionDetails": [{"pipelineExecutionId": id_, **one} for one in actions]},
            {"pipelineName": "Pipeline", "filter": {"pipelineExecutionId": id_}},
        )
        (found,) = executions_of(client, "Pipeline")
    return found


def test_who_approved_what_and_when_is_codepipelines_own_word() -> None:
    summary = {"executionResult": {"externalExecutionSummary": "read it, looks good"}}
    found = told(
        approval("Succeeded", updatedBy=PERSON, output=summary),
        {
            "stageName": "production",
            "actionName": "Gate",
            "status": "Succeeded",
            "lastUpdateTime": AT,
        },
    )
    assert (found.ended_at, found.outcome) == ("2026-01-02T03:04:05Z", "Succeeded")
    (one,) = found.approvals
    assert (one.answer, one.who, one.at) == ("Approved", PERSON, "2026-01-02T03:04:05Z")
    assert one.text == "production gets shapes, SHA-256 aaa"
    assert one.note == "read it, looks good"


def test_a_rejection_and_an_end_of_the_wait_are_told_apart_and_a_wait_is_no_answer() -> None:
    rejected, expired = told(
        approval("Failed"), approval("Failed", updatedBy=PERSON), approval("InProgress")
    ).approvals
    assert (rejected.answer, rejected.who) == ("Rejected", PERSON)
    assert expired.who == "nobody: it expired"


def test_where_no_pipeline_is_the_text_says_what_to_ask_instead(tmp_path: Path) -> None:
    environments = ROOT / "environments"
    with pytest.raises(RegistryError, match="there is no pipeline; with --local"):
        ask_pipeline(AwsAccounts(), tmp_path / "delivery.toml", environments)
    (tmp_path / "delivery.toml").write_text('account = "999999999999"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"delivery\.toml: region: is missing"):
        ask_pipeline(AwsAccounts(), tmp_path / "delivery.toml", environments)
    with pytest.raises(RegistryError, match="no pipeline ran here yet; `deeplens local deliver`"):
        read_record(tmp_path / "executions.jsonl")
