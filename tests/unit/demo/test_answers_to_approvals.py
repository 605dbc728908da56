"""An invalid approval is an error before the synthesis."""

import time
from dataclasses import asdict
from pathlib import Path

import click
import pytest

from deeplens.local.approvals import check_answers
from deeplens.local.pipeline.approval import ApprovalRequest, request_approval
from deeplens.local.processes import CommandFailed
from deeplens.releases.executions import execution_log


@pytest.fixture
def executions(tmp_path: Path) -> Path:
    return tmp_path / "executions.jsonl"


@pytest.fixture
def asked(executions: Path) -> ApprovalRequest:
    request = request_approval(
        stage="production",
        text="production gets shapes",
        assembly={},
        page=executions.with_name("none"),
        asked_at=time.time(),
        valid_minutes=60,
    )
    execution_log(executions).append({"approvals": [], "waits": asdict(request)})
    return request


@pytest.mark.parametrize("answer", ["production", "production=", "=abc"])
def test_an_answer_without_stage_and_code_is_wrong_usage(executions: Path, answer: str) -> None:
    with pytest.raises(click.BadParameter, match="expected STAGE=CODE"):
        check_answers((answer,), executions)


def test_a_code_that_was_never_asked_for_is_refused(
    executions: Path, asked: ApprovalRequest
) -> None:
    assert asked.code
    with pytest.raises(CommandFailed, match="the approval 'wrong'"):
        check_answers(("production=wrong",), executions)


def test_a_code_of_another_stage_names_the_stage(executions: Path, asked: ApprovalRequest) -> None:
    with pytest.raises(click.BadParameter, match=f"expected production={asked.code}"):
        check_answers((f"staging={asked.code}",), executions)
    check_answers((f"production={asked.code}",), executions)
