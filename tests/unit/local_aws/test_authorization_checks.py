"""A call's authorization checks follow its rule and the Service Authorization Reference."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from local_aws import cli
from local_aws.account_region import Scope
from local_aws.authorization import reference
from local_aws.authorization.checks import Check, Subjects, checks
from local_aws.authorization.served_actions import served_actions
from local_aws.authorization.trace import Decision, Trace
from tools.service_authorization import selected

pytestmark = pytest.mark.unit

SCOPE = Scope("111111111111", "eu-central-1")
JOB = "arn:aws:iot:eu-central-1:111111111111:job/1"
GROUP = "arn:aws:iot:eu-central-1:111111111111:thinggroup/cameras"
ROLE = "arn:aws:iam::111111111111:role/path/hosting"
ENDPOINT = "arn:aws:sagemaker:eu-central-1:111111111111:endpoint/shapes"


def test_the_data_have_every_action_that_is_served_and_its_dependent_actions() -> None:
    for name in served_actions():
        for dependent in reference.action(name).dependent_actions:
            assert reference.action(dependent).name == dependent


def test_the_data_have_no_action_that_no_operation_needs() -> None:
    needed = set(served_actions())
    needed.update(
        dependent for name in list(needed) for dependent in reference.action(name).dependent_actions
    )
    assert set(reference.actions()) == needed


def test_an_action_without_a_resource_type_is_checked_on_everything() -> None:
    subjects = Subjects({"iot:thinggroup": [GROUP]}, tags={"owner": "a"})
    first = next(checks("greengrass:CreateDeployment", subjects))
    expected = {"aws:RequestTag/owner": "a", "aws:TagKeys": ["owner"]}
    assert first == Check("greengrass:CreateDeployment", "*", expected)


def test_dependent_actions_are_checked_on_the_resources_of_their_types_only() -> None:
    subjects = Subjects({"iot:thinggroup": [GROUP], "iot:job": [JOB]})
    found = {
        (check.action, check.resource) for check in checks("greengrass:GetDeployment", subjects)
    }
    assert found == {
        ("greengrass:GetDeployment", "*"),
        ("iot:DescribeJob", JOB),
        ("iot:DescribeThingGroup", GROUP),
    }


def test_rights_to_tag_and_to_pass_a_role_are_needed_by_calls_that_do() -> None:
    def dependent(**more: Any) -> list[Check]:
        resources = {"sagemaker:model": [ENDPOINT], **more.pop("resources", {})}
        return list(checks("sagemaker:CreateModel", Subjects(resources, **more)))[1:]

    assert dependent() == []
    assert dependent(tags={"a": "b"}) == [
        Check("sagemaker:AddTags", ENDPOINT, {"aws:RequestTag/a": "b", "aws:TagKeys": ["a"]})
    ]
    assert dependent(resources={"iam:role": [ROLE]}, passed_to="sagemaker.amazonaws.com") == [
        Check("iam:PassRole", ROLE, {"iam:PassedToService": "sagemaker.amazonaws.com"})
    ]


names = st.text("abcXYZ019-_.", min_size=1, max_size=20)


@given(names, names)
def test_an_arn_has_the_types_by_which_it_was_made(name: str, version: str) -> None:
    for kind, parts in {
        "greengrass:component": [name],
        "greengrass:componentVersion": [name, version],
        "greengrass:coreDevice": [name],
        "greengrass:deployment": [name],
        "iot:thing": [name],
        "iot:thinggroup": [name],
    }.items():
        assert reference.resource_types(reference.arn(kind, SCOPE, *parts)) == [kind]


@given(st.text(max_size=40))
def test_what_is_not_an_arn_has_no_type(text: str) -> None:
    assert text.startswith("arn:") or reference.resource_types(text) == []


def test_a_roles_path_is_part_of_its_name() -> None:
    assert reference.resource_types(ROLE) == ["iam:role"]


def test_the_selection_is_of_the_actions_and_their_dependents() -> None:
    def entry(*kinds: str, dependent: tuple[str, ...] = ()) -> dict[str, Any]:
        types = {
            kind: {"resource_type": kind, "condition_keys": [], "dependent_actions": [*dependent]}
            for kind in (*kinds, "")
        }
        return {"access_level": "Write", "resource_types": types}

    published = {
        "a": {
            "privileges": {"Make": entry("box", dependent=("b:Look",)), "Unused": entry("bag")},
            "resources": {"box": {"arn": "arn:box"}, "bag": {"arn": "arn:bag"}},
        },
        "b": {"privileges": {"Look": entry()}, "resources": {}},
    }
    found = selected(published, ["a:Make"])
    assert list(found["actions"]) == ["a:Make", "b:Look"]
    assert found["actions"]["a:Make"]["dependent_actions"] == ["b:Look"]
    assert found["resources"] == {"a:box": "arn:box"}
    with pytest.raises(KeyError):
        selected(published, ["a:Missing"])


def test_a_trace_is_appended_and_private(tmp_path: Path) -> None:
    file = tmp_path / "new" / "trace.jsonl"
    decision = Decision("role", "session", "s3:GetObject", "arn", "Allow", "Reads", {"a": ["b"]})
    for _ in range(2):
        Trace(file).record(decision)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line.pop("time")[-6:] for line in lines] == ["+00:00"] * 2
    assert lines == [asdict(decision)] * 2
    assert file.stat().st_mode & 0o077 == 0


def test_a_trace_is_a_regular_file(tmp_path: Path) -> None:
    file = tmp_path / "fifo"
    os.mkfifo(file)
    with pytest.raises(OSError, match="is not a regular file"):
        Trace(file)


@pytest.mark.parametrize("option", ["--delays=nan", "--trace-authorization={}/fifo"])
def test_an_option_that_cannot_work_is_one_error_before_the_state_is_touched(
    tmp_path: Path, option: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    state = tmp_path / "state"
    words = ["--state", str(state), "up", option.format(tmp_path)]
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code in {1, 2}
    assert "Error: " in result.output
    assert "is not a " in result.output
    assert not state.exists()
