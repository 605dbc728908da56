"""Recorded decisions become rows of the access table."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tools import access_table
from tools.access_table import Row, TraceError, read_table, rows_of, write_table

ROLE = "dev-Inference/ProjectHandlerRoleAAB79BFE"
UUID = "518dc177-0d69-4d84-b5fc-a5f85f42d82a"


def line(**changes: Any) -> str:
    decision = {
        "action": "iot:DescribeJob",
        "resource": f"arn:aws:iot:eu-central-1:111111111111:job/{UUID}",
        "decision": "Allow",
        "context": {},
        "principal_resource": ROLE,
        "resource_names": {},
    }
    return json.dumps(decision | changes)


def test_names_of_a_run_are_replaced() -> None:
    digest = "0a" * 32
    resource = f"arn:aws:s3:::deeplens-dev-111111111111-eu-central-1/components/cats/{digest}/x.zip"
    (row,) = rows_of([line(action="s3:GetObject", resource=resource)])
    assert row == Row(
        "Inference/ProjectHandlerRole",
        "s3:GetObject",
        "arn:aws:s3:::deeplens-{environment}-{account}-{region}/components/{model}/{digest}/x.zip",
    )


def test_calls_that_differ_in_names_only_are_one_row() -> None:
    other = line(
        principal_resource="production-Inference/ProjectHandlerRole00000000",
        resource="arn:aws:iot:us-east-1:222222222222:job/00000000-0000-4000-8000-000000000000",
    )
    assert len(set(rows_of([line(), other]))) == 1


def test_a_generated_name_becomes_the_resource_that_has_it() -> None:
    key = f"arn:aws:kms:eu-central-1:111111111111:key/{UUID}"
    names = {UUID: "dev-ModelStore/ModelsKeyABCDEF01"}
    (row,) = rows_of([line(action="kms:Decrypt", resource=key, resource_names=names)])
    assert row.resource == "arn:aws:kms:{region}:{account}:key/{ModelStore/ModelsKey}"


def test_stacks_of_roles_without_an_environment_are_of_any_environment() -> None:
    stack = f"arn:aws:cloudformation:eu-central-1:111111111111:stack/dev-Inference/{UUID}"
    (row,) = rows_of(
        [line(principal_resource="DeepLensToolkit/DeploymentActionRole", resource=stack)]
    )
    assert row.principal == "DeepLensToolkit/DeploymentActionRole"
    assert row.resource.endswith(":stack/{environment}-Inference/{uuid}")


def test_condition_keys_that_policies_use_are_kept() -> None:
    context = {"s3:prefix": "components/", "s3:max-keys": "1"}
    (row,) = rows_of([line(context=context)])
    assert row.context == (("s3:prefix", "components/"),)


def test_a_denied_call_is_a_row_so_that_its_grant_is_missed() -> None:
    assert list(rows_of([line(decision="ImplicitDeny")])) == list(rows_of([line()]))


def test_a_caller_that_no_stack_created_is_not_in_the_table() -> None:
    assert list(rows_of([line(principal_resource="")])) == []


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"principal_resource": "dev-A/B"}'])
def test_a_line_that_is_not_a_decision_is_named(text: str) -> None:
    with pytest.raises(TraceError, match="line 2 is not an authorization decision"):
        list(rows_of([line(), text]))


TEXT = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1)


@given(st.sets(st.builds(Row, TEXT, TEXT, TEXT, st.just((("s3:prefix", "a"),)) | st.just(()))))
def test_a_table_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: set[Row]
) -> None:
    file = tmp_path_factory.mktemp("table") / "table.json"
    write_table(rows, file)
    assert read_table(file) == sorted(rows)


def test_a_trace_without_a_role_of_a_stack_leaves_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_table, "TABLE", tmp_path / "table.json")
    trace = tmp_path / "trace.jsonl"
    trace.write_text(line(principal_resource="") + "\n", encoding="utf-8")
    result = CliRunner().invoke(access_table.main, [str(trace)])
    assert result.exit_code == 2
    assert "contain no call of a role that a stack created" in result.output
    assert not (tmp_path / "table.json").exists()
