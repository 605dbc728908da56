"""`deeplens fleet teardown` waits only for resources that AWS IoT releases late."""

from pathlib import Path
from typing import Any

import pytest

from deeplens.config import EnvironmentConfig, load_environment
from deeplens.fleet.errors import FleetError
from deeplens.fleet.session import FleetSession
from deeplens.fleet.stacks import DeployedStack, stack_names
from deeplens.fleet.teardown.stacks import StackDeletion

ROOT = Path(__file__).parents[3]
ID = "arn:aws:cloudformation:eu-central-1:111111111111:stack/dev-Devices/1"


class CloudFormation:
    """A double of CloudFormation whose stack fails several deletions because of one resource."""

    def __init__(self, failures: int, type_: str) -> None:
        self.failures, self.type, self.attempts = failures, type_, 0
        self.protected: bool | None = None
        self.events: list[dict[str, str]] = []

    def client(self, _service: str) -> "CloudFormation":
        return self

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        status = "CREATE_COMPLETE"
        if self.attempts:
            status = "DELETE_FAILED" if self.attempts <= self.failures else "DELETE_COMPLETE"
        return {"Stacks": [{"StackId": ID, "StackStatus": status}]}

    def update_termination_protection(self, **given: Any) -> None:
        self.protected = given["EnableTerminationProtection"]

    def delete_stack(self, **_: str) -> None:
        self.attempts += 1
        self.events.insert(
            0,
            {
                "EventId": str(self.attempts),
                "PhysicalResourceId": "policy",
                "LogicalResourceId": "Policy",
                "ResourceType": self.type,
                "ResourceStatus": "DELETE_FAILED",
                "ResourceStatusReason": f"reason {self.attempts}",
            },
        )

    def describe_stack_events(self, **_: str) -> dict[str, Any]:
        return {"StackEvents": self.events}

    def get_paginator(self, _operation: str) -> Any:
        events = self.events

        class Pages:
            def paginate(self, **_: str) -> list[dict[str, Any]]:
                return [{"StackEvents": events}]

        return Pages()


def environment(text: str = "", tmp_path: Path | None = None) -> EnvironmentConfig:
    if tmp_path is None:
        return load_environment(ROOT / "environments/dev.toml")
    file = tmp_path / "dev.toml"
    file.write_text((ROOT / "environments/dev.toml").read_text(encoding="utf-8") + text)
    return load_environment(file)


def deletion(cloudformation: CloudFormation) -> tuple[StackDeletion, list[str], list[float]]:
    output: list[str] = []
    slept: list[float] = []
    session: Any = cloudformation
    return (
        StackDeletion(FleetSession(environment(), session), output.append, slept.append),
        output,
        slept,
    )


def test_a_policy_that_aws_iot_releases_late_is_deleted_by_a_later_attempt() -> None:
    cloudformation = CloudFormation(3, "AWS::IoT::Policy")
    deleting, output, slept = deletion(cloudformation)
    deleting.delete(DeployedStack("dev-Devices", "CREATE_COMPLETE", protected=False))
    assert cloudformation.attempts == 4
    assert slept == [60.0] * 3
    assert len(output) == 3
    assert cloudformation.protected is None


def test_the_wait_is_longer_than_aws_needs_and_ends_with_the_last_reason() -> None:
    cloudformation = CloudFormation(99, "AWS::IoT::Policy")
    deleting, _, slept = deletion(cloudformation)
    with pytest.raises(FleetError, match=f"Policy: reason {cloudformation.attempts + 7}"):
        deleting.delete(DeployedStack("dev-Devices", "CREATE_COMPLETE", protected=False))
    # AWS documents a delay of up to five minutes.
    assert sum(slept) > 300


def test_any_other_failure_is_reported_at_once() -> None:
    cloudformation = CloudFormation(99, "AWS::IAM::Role")
    deleting, _, slept = deletion(cloudformation)
    with pytest.raises(FleetError, match="dev-Devices is in DELETE_FAILED: Policy: reason 1"):
        deleting.delete(DeployedStack("dev-Devices", "CREATE_COMPLETE", protected=False))
    assert slept == []


def test_a_protected_stack_loses_its_protection_first() -> None:
    cloudformation = CloudFormation(0, "")
    deletion(cloudformation)[0].delete(
        DeployedStack("dev-ModelStore", "CREATE_COMPLETE", protected=True)
    )
    assert cloudformation.protected is False


def test_stacks_are_those_that_the_environment_file_enables(tmp_path: Path) -> None:
    assert stack_names(environment()) == [
        "dev-ModelStore", "dev-Devices", "dev-Monitoring", "dev-Inference"
    ]  # fmt: skip
    less = environment("\n[monitoring]\nenabled = false\n", tmp_path)
    assert "dev-Monitoring" not in stack_names(less)
    more = environment("\n[training]\nenabled = true\n", tmp_path)
    assert stack_names(more)[-1] == "dev-Training"


def test_the_committed_environments_have_these_stacks() -> None:
    golden = {file.stem for file in (ROOT / "tests/synth/golden").glob("*.json")}
    names = {
        name
        for file in (ROOT / "environments").glob("*.toml")
        if "cameras" not in file.name
        for name in stack_names(load_environment(file))
    }
    assert names == golden
