"""An approval applies once, to the reviewed change only, until it expires."""

import json
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from deeplens.assembly import environments_id
from deeplens.local.pipeline import PipelineError
from deeplens.local.pipeline.__main__ import deliver, exclusive
from deeplens.local.pipeline.approval import ApprovalRequest, check_answer, request_approval
from deeplens.releases.executions import execution_log, read_record
from model_tools.errors import RegistryError
from tests.delivery.pipelines import action, build, execution

HOUR = 3600.0


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "review.html"
    file.write_text("a page", encoding="utf-8")
    return file


def asked(page: Path, at: float = 0.0, **other: Any) -> ApprovalRequest:
    return request_approval(
        **{
            "stage": "production",
            "text": "production gets shapes, SHA-256 aaa",
            "assembly": {"template": "1"},
            "page": page,
            "asked_at": at,
            "valid_minutes": 60,
            **other,
        }
    )


def executed(waits: ApprovalRequest | None = None, used: str = "") -> dict[str, Any]:
    return {
        "ended_at": "2026-01-01T00:00:00Z",
        "outcome": "delivered",
        "actions": [],
        "approvals": [
            {
                "stage": "production",
                "who": "A Person",
                "at": "2026-01-01T00:00:00Z",
                "text": "production gets shapes",
                "page_digest": "",
                "code": used,
            }
        ]
        if used
        else [],
        "waits": asdict(waits) if waits else None,
    }


def test_an_answer_to_what_was_asked_counts_until_its_time_is_over(page: Path) -> None:
    before = asked(page)
    waited = [executed(before)]
    assert check_answer(before.code, asked(page, HOUR), waited, HOUR) == before
    with pytest.raises(PipelineError, match=r"expired: .* 1970-01-01T01:00:00Z; run the pipeline"):
        check_answer(before.code, asked(page, HOUR + 1), waited, HOUR + 1)


@given(st.floats(0, 1e9), st.integers(5, 10_000), st.floats(0, 1e9))
def test_no_answer_counts_outside_its_time(at: float, minutes: int, later: float) -> None:
    before = asked(Path("none"), at, valid_minutes=minutes)
    now = asked(Path("none"), at + later, valid_minutes=minutes)
    try:
        check_answer(before.code, now, [executed(before)], at + later)
    except PipelineError:
        assert later > 60 * minutes * 0.999
    else:
        assert later < 60 * minutes * 1.001


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"text": "production gets shapes, SHA-256 bbb"}, "then .* aaa, now .* bbb"),
        ({"assembly": {"template": "2"}}, "assembly: then"),
        ({"stage": "staging"}, "stage: then production, now staging"),
    ],
)
def test_an_answer_to_something_else_counts_for_nothing(
    page: Path, other: dict[str, Any], reason: str
) -> None:
    before = asked(page)
    with pytest.raises(PipelineError, match=rf"is for another request \(.*{reason}"):
        check_answer(before.code, asked(page, 1, **other), [executed(before)], 1)


def test_a_review_page_that_was_made_again_needs_another_answer(page: Path) -> None:
    before = asked(page)
    page.write_text("another page", encoding="utf-8")
    with pytest.raises(PipelineError, match="review page: then"):
        check_answer(before.code, asked(page, 1), [executed(before)], 1)
    page.unlink()
    with pytest.raises(PipelineError, match="review page: then"):
        check_answer(before.code, asked(page, 1), [executed(before)], 1)


def test_an_answer_counts_once(page: Path) -> None:
    before = asked(page)
    with pytest.raises(PipelineError, match="used by the execution that ended at 2026-01-01"):
        check_answer(before.code, asked(page, 1), [executed(before), executed(used=before.code)], 1)


def test_what_was_never_asked_is_approved_by_nothing(page: Path) -> None:
    with pytest.raises(PipelineError, match="was never requested; a run without an answer prints"):
        check_answer("production", asked(page), [executed()], 1)


def test_a_page_that_changes_while_somebody_reads_it_stops_the_execution(tmp_path: Path) -> None:
    stage = ("production", [action("Approve", "Manual", CustomData="gets x"), build("next", 2)])
    made, _ = execution(tmp_path, stage, next="touch next")
    page = tmp_path / "build/review/review.html"
    page.parent.mkdir(parents=True)
    page.write_text(f"a page of {environments_id(tmp_path / 'cdk.out')}", encoding="utf-8")

    def reads(request: ApprovalRequest) -> tuple[str, ApprovalRequest]:
        page.write_text("another page", encoding="utf-8")
        return "A Person", request

    made.approve = reads
    with pytest.raises(PipelineError, match="changed during the approval"):
        made.run()
    assert not (tmp_path / "next").exists()


def test_a_review_page_of_another_assembly_is_not_what_somebody_approves(tmp_path: Path) -> None:
    stage = ("production", [action("Approve", "Manual", CustomData="gets x"), build("next", 2)])
    made, _ = execution(tmp_path, stage, approver="A Person", next="touch next")
    page = tmp_path / "build/review/review.html"
    page.parent.mkdir(parents=True)
    page.write_text(f"a page of {'0' * 64}", encoding="utf-8")
    with pytest.raises(PipelineError, match=r"not the review page of this .*deliver --review main"):
        made.run()
    assert not made.approvals
    assert not (tmp_path / "next").exists()


def test_the_pipeline_is_not_part_of_the_id_of_an_assembly(tmp_path: Path) -> None:
    stack = {"type": "aws:cloudformation:stack", "environment": "aws://111111111111/eu-central-1"}
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-dev"}}

    def write(folder: Path, **artifacts: object) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}), "utf-8")
        (folder / "a.json").write_text("{}", encoding="utf-8")
        (folder / "b.json").write_text('{"Resources": {}}', encoding="utf-8")

    def named(file: str, **properties: str) -> dict[str, object]:
        return {**stack, "properties": {"templateFile": file, **properties}}

    write(tmp_path, dev=stage, Delivery=named("b.json"))
    write(tmp_path / "assembly-dev", Second=named("a.json"), First=named("b.json", stackName="Z"))
    without_pipeline = environments_id(tmp_path)
    write(tmp_path, dev=stage)
    assert environments_id(tmp_path) == without_pipeline


def test_an_answer_at_the_terminal_that_comes_too_late_stops_the_execution(tmp_path: Path) -> None:
    stage = ("production", [action("Approve", "Manual", CustomData="x"), build("next", 2)])
    made, _ = execution(tmp_path, stage, next="touch next")
    made.approve = lambda request: ("A Person", replace(request, asked_at=0.0))
    with pytest.raises(PipelineError, match="production/Approve: the approval expired"):
        made.run()
    assert not (tmp_path / "next").exists()


def test_how_long_an_approval_counts_is_said_by_the_definition(tmp_path: Path) -> None:
    acts = [{**action("Approve", "Manual", CustomData="x"), "TimeoutInMinutes": 90}]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    made, _ = execution(tmp_path / "a", ("production", acts))
    assert made.pipeline.stages[0].actions[0].timeout_minutes == 90
    made, _ = execution(tmp_path / "b", ("production", [action("Approve", "Manual")]))
    assert made.pipeline.stages[0].actions[0].timeout_minutes == 7 * 24 * 60  # AWS' default


def test_a_changed_line_of_the_record_is_named_by_both_who_read_it(
    tmp_path: Path, page: Path
) -> None:
    file = tmp_path / "deliver/executions.jsonl"
    for number in range(3):
        execution_log(file).append(executed(asked(page, number), used=f"code {number}"))
    assert [execution.approvals[0].who for execution in read_record(file)] == ["A Person"] * 3
    assert len(execution_log(file).read()) == 3

    content = file.read_text("utf-8").splitlines()
    for broken, line in (
        ([content[0], content[1].replace("A Person", "Somebody"), content[2]], 2),
        ([content[0], content[2]], 2),
        ([content[1]], 1),
        ([*content, json.dumps([1])], 4),
    ):
        file.write_text("".join(f"{entry}\n" for entry in broken), encoding="utf-8")
        with pytest.raises(RegistryError, match=rf"line {line}: .*start a new log: `mv "):
            execution_log(file).read()
        with pytest.raises(RegistryError, match=f"line {line}: "):
            read_record(file)


@pytest.mark.parametrize("given", ["production", "=abc", "production="])
def test_an_approval_without_the_code_of_what_was_asked_is_wrong_usage(
    tmp_path: Path, given: str
) -> None:
    output = CliRunner().invoke(deliver, ["--approve", given, "--state", str(tmp_path)])
    assert output.exit_code == 2
    assert "expected STAGE=CODE" in output.output


def test_two_executions_at_once_are_one(tmp_path: Path) -> None:
    file = tmp_path / "deliver/executions.jsonl"
    output: list[str] = []

    def second() -> None:
        try:
            with exclusive(file):
                output.append("ran")
        except PipelineError as error:
            output.append(str(error))

    with exclusive(file):
        other = threading.Thread(target=second)
        other.start()
        other.join()
    assert output == ["another execution is running in this checkout; wait for its end"]
    second()
    assert output[1] == "ran"
