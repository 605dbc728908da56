"""Cores of both nuclei continue after damaged records, invalid jobs and steps that never end.

A core that cannot record its components ends with the error.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local_aws.core_device.nucleus import Kind
from testkit.waiting import eventually
from tests.emulator.core_device.conftest import Core, specification

pytestmark = pytest.mark.emulator


@pytest.fixture(params=["classic", "lite"])
def core_runtime(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


@pytest.mark.parametrize("document", [{}, {"components": []}, {"configurationArn": 1}])
def test_a_job_that_is_not_a_deployment_fails_and_the_next_one_is_carried_out(
    core: Core, component: Callable[..., str], iot: Any, unique: str, document: dict[str, Any]
) -> None:
    iot.create_job(
        jobId=unique, targets=[core.group_arn], document=json.dumps(document),
        namespaceId="aws-gg-deployment",
    )  # fmt: skip

    def status() -> str:
        described = iot.describe_job_execution(jobId=unique, thingName=core.thing)
        return str(described["execution"]["status"])

    eventually(lambda: status() == "FAILED", status)
    name = component("app", run="sleep 600")
    assert (
        core.outcome(core.deploy({name: specification()}))["coreDeviceExecutionStatus"]
        == "SUCCEEDED"
    )


@pytest.mark.parametrize("record", ["", "{", "[]", '{"components": 1}', '{"components": [{}]}'])
def test_a_core_with_a_damaged_record_starts_and_carries_deployments_out(
    core: Core, component: Callable[..., str], record: str
) -> None:
    name = component("app", run="sleep 600")
    assert (
        core.outcome(core.deploy({name: specification()}))["coreDeviceExecutionStatus"]
        == "SUCCEEDED"
    )
    core.stop()
    core.layout.current.write_text(record)
    cores = str(core.layout.root.parent)
    shown = core.aws.command("core", "status", "--thing", core.thing, "--cores", cores)
    assert shown.returncode == 1
    assert f"Error: {core.layout.current} is not the record of a core" in shown.stderr
    core.start()
    assert (
        core.outcome(core.deploy({name: specification()}))["coreDeviceExecutionStatus"]
        == "SUCCEEDED"
    )


@pytest.mark.parametrize("core_runtime", ["classic"], indirect=True)
def test_a_core_ends_while_a_step_of_its_start_does_not(
    core: Core, component: Callable[..., str]
) -> None:
    """A core stops while an install step still runs.

    Only the classic nucleus runs install steps again when it starts.
    """
    once = "test ! -e once && touch once || { touch again; exec sleep 600; }"
    name = component("app", install={"script": once, "timeout": 600}, run="sleep 600")
    assert (
        core.outcome(core.deploy({name: specification()}))["coreDeviceExecutionStatus"]
        == "SUCCEEDED"
    )
    core.stop()
    core.start()
    eventually((core.work(name) / "again").exists)
    core.stop()


@pytest.mark.parametrize("core_runtime", ["classic"], indirect=True)
def test_a_rollback_that_the_file_system_prevents_fails_and_the_core_goes_on(
    core: Core, component: Callable[..., str]
) -> None:
    name = component("app", run="sleep 600")
    component("app", "2.0.0", install='rm -r "$PWD" && touch "$PWD" && false', run="sleep 600")
    assert (
        core.outcome(core.deploy({name: specification()}))["coreDeviceExecutionStatus"]
        == "SUCCEEDED"
    )
    failed = core.outcome(core.deploy({name: specification("2.0.0")}))
    assert failed["coreDeviceExecutionStatus"] == "FAILED"
    core.work(name).unlink()
    assert (
        core.outcome(core.deploy({name: specification()}))["coreDeviceExecutionStatus"]
        == "SUCCEEDED"
    )


def test_a_core_that_cannot_record_its_components_ends_with_the_error(
    core: Core, component: Callable[..., str]
) -> None:
    core.layout.current.with_suffix(".partial").mkdir()
    core.deploy({component("app", run="sleep 600"): specification()})
    eventually(lambda: core.failures)
    assert isinstance(core.failures.pop(), IsADirectoryError)
