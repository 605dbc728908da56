"""The gate with a core of each nucleus: second attempts, and devices of a failed wave."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from local_aws.core_device.nucleus import Kind
from shared.fleet.deployments import (
    OWNER_TAG,
    RETRY_TAG,
    Deployment,
    DesiredDeployment,
    latest,
)
from shared.fleet.gate import GateResult, GateRule
from shared.fleet.queries import FleetQueries
from shared.fleet.rollout import (
    GateClosed,
    Rollout,
    RolloutPlan,
    Wave,
)
from testkit.waiting import HANG_SECONDS, eventually
from tests.emulator.core_device.conftest import Core
from tests.emulator.running_emulator import Emulator

pytestmark = pytest.mark.emulator

Components = Callable[..., str]


@pytest.fixture(params=["classic", "lite"])
def core_runtime(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


class Release:
    """A release of one component to one core; the gate needs no heartbeat."""

    def __init__(self, aws: Emulator, core: Core, name: str, version: str = "1.0.0") -> None:
        self._greengrass = aws.client("greengrassv2")
        fleet = FleetQueries(aws.client("iot"), aws.client("iot-data"), self._greengrass)
        self._rollout = Rollout(fleet, core.thing, uuid.uuid4().hex, lambda: HANG_SECONDS)
        # The gate ignores a device that has never connected, so the test waits for the connection.
        eventually(lambda: core.thing in {joined.thing for joined in fleet.registered()})
        self._wanted = DesiredDeployment(
            core.group_arn,
            "test",
            {name: {"componentVersion": version}},
            {"failureHandlingPolicy": "ROLLBACK"},
            tags={OWNER_TAG: "test"},
        )

    def run(self, *waves: Wave) -> GateResult:
        plan = RolloutPlan(GateRule(offline_after_seconds=HANG_SECONDS), waves, HANG_SECONDS, 0.0)
        return self._rollout.run(self._wanted, plan)

    def current(self) -> Deployment:
        """Wait until the fleet has a deployment; return the deployment."""
        return eventually(lambda: latest(self._greengrass, self._wanted.target_arn))


@pytest.fixture
def role_alias(aws: Emulator, core: Core, iot: Any) -> Callable[..., None]:
    """A function that deletes or creates the device's role alias."""
    role = iot.describe_role_alias(roleAlias=core.thing)["roleAliasDescription"]["roleArn"]

    def change(*, exists: bool) -> None:
        if exists:
            iot.create_role_alias(roleAlias=core.thing, roleArn=role)
        else:
            iot.delete_role_alias(roleAlias=core.thing)

    del aws
    return change


@pytest.fixture
def model(component: Components, artifact: Callable[..., Any]) -> str:
    return component("model", artifacts=[{"Uri": artifact("good").uri}], run="sleep 600")


def test_a_device_that_gets_credentials_in_time_runs_the_release(
    aws: Emulator,
    core: Core,
    model: str,
    role_alias: Callable[..., None],
    core_runtime: Kind,
) -> None:
    role_alias(exists=False)
    release, verdicts = Release(aws, core, model), []
    thread = threading.Thread(target=lambda: verdicts.append(release.run()))
    thread.start()
    core.outcome(release.current().id)
    role_alias(exists=True)
    thread.join(HANG_SECONDS)
    [verdict] = verdicts
    [device] = verdict.with_outcome("good")
    [retried] = verdict.retried
    assert device.thing == retried.thing == core.thing
    causes = {"classic": "/credentials: 403", "lite": "nucleus lite reports no cause"}
    assert causes[core_runtime] in retried.reason
    assert RETRY_TAG in release.current().tags
    assert core.installed() == {model: "RUNNING"}


def test_a_device_that_never_gets_credentials_fails_the_release_after_two_attempts(
    aws: Emulator,
    core: Core,
    model: str,
    role_alias: Callable[..., None],
    core_runtime: Kind,
) -> None:
    role_alias(exists=False)
    release = Release(aws, core, model)
    with pytest.raises(GateClosed) as closed:
        release.run()
    text = str(closed.value)
    assert "1 got a second attempt" in text
    log = {
        "classic": "deeplens fleet doctor ENV --device",
        "lite": "`journalctl -a -t ggdeploymentd`",
    }
    assert log[core_runtime] in text.partition("Try: ")[2]
    assert closed.value.deployment == release.current()
    assert RETRY_TAG in closed.value.deployment.tags


def test_a_component_that_cannot_be_installed_fails_the_release_at_once(
    aws: Emulator, core: Core, component: Components, core_runtime: Kind
) -> None:
    camera = component("camera", install="echo no camera; exit 3", run="sleep 600")
    release = Release(aws, core, camera)
    with pytest.raises(GateClosed) as closed:
        release.run()
    text = str(closed.value)
    assert "second attempt" not in text
    assert RETRY_TAG not in release.current().tags
    log = {
        "classic": "/greengrass/v2/logs/",
        "lite": f"`journalctl -a -t {camera}`",
    }
    assert log[core_runtime] in text.partition("Try: ")[2]
    causes = {"classic": "ended with 3", "lite": "camera 1.0.0 is BROKEN"}
    assert causes[core_runtime] in text


def test_the_device_of_a_failed_wave_gets_the_previous_set_again(
    aws: Emulator, core: Core, component: Components
) -> None:
    name = component("app", run="echo v1; sleep 600")
    # The component fails after the deployment has succeeded, so classic does not roll back either.
    component("app", "2.0.0", run="sleep 1; exit 3")
    assert Release(aws, core, name).run().state == "passed"
    with pytest.raises(GateClosed, match="wave 1 of 1"):
        Release(aws, core, name, "2.0.0").run(Wave(None, 100, HANG_SECONDS, HANG_SECONDS, 0))
    assert core.installed() == {name: "BROKEN"}

    assert Release(aws, core, name).run().state == "passed"

    eventually(lambda: core.installed() == {name: "RUNNING"}, core.installed)
    [component_record] = aws.client("greengrassv2").list_installed_components(
        coreDeviceThingName=core.thing
    )["installedComponents"]
    assert component_record["componentVersion"] == "1.0.0"
