"""A core continues to run while its emulator stops and starts again."""

import os
import signal
from collections.abc import Callable

import pytest

from local_aws.core_device.nucleus import Kind
from local_aws.process.child_processes import is_alive
from testkit.waiting import eventually
from tests.emulator.core_device.conftest import Core, specification
from tests.emulator.running_emulator import Command, Emulator, after_a_snapshot

pytestmark = pytest.mark.emulator


@pytest.fixture
def aws(command: Command) -> Emulator:
    """An emulator for one test."""
    assert command("up").returncode == 0
    return Emulator(command, command.endpoint())


@pytest.fixture(params=["classic", "lite"])
def core_runtime(request: pytest.FixtureRequest) -> Kind:
    """Both nuclei, which use different versions of MQTT."""
    kind: Kind = request.param
    return kind


@pytest.mark.parametrize("killed", [False, True])
def test_a_running_core_reconnects_and_takes_deployments(
    aws: Emulator, core: Core, component: Callable[..., str], *, killed: bool
) -> None:
    name = component("app", run="sleep 600")
    component("app", "2.0.0", run="sleep 600")
    assert (
        core.outcome(core.deploy({name: specification()}))["coreDeviceExecutionStatus"]
        == "SUCCEEDED"
    )
    if killed:
        after_a_snapshot(aws.command)
        os.kill(aws.endpoint["pid"], signal.SIGKILL)
        eventually(lambda: not is_alive(aws.endpoint["pid"]))
    else:
        assert "state kept" in aws.command("down").stdout

    assert aws.command("up").returncode == 0
    # The core reconnects itself; only the test needs clients for the new ports.
    core.aws = Emulator(aws.command, aws.command.endpoint())

    ended = core.outcome(core.deploy({name: specification("2.0.0")}))
    assert ended["coreDeviceExecutionStatus"] == "SUCCEEDED"
    assert core.installed() == {name: "RUNNING"}
