"""Deployments to a thing arrive as a shadow, and apply in addition to its group's deployments."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from testkit.waiting import eventually
from tests.emulator.core_device.conftest import Core

pytestmark = pytest.mark.emulator

Components = Callable[..., str]
SHADOW = "AWSManagedGreengrassV2Deployment"


def own(core: Core, *names: str) -> dict[str, Any]:
    """Deploy components to the core's thing; return the deployment after its end."""
    thing = core.aws.client("iot").describe_thing(thingName=core.thing)["thingArn"]
    components = {name: {"componentVersion": "1.0.0"} for name in names}
    return core.outcome(core.deploy(components, target=thing))


def reported(core: Core) -> dict[str, Any]:
    payload = core.aws.client("iot-data").get_thing_shadow(thingName=core.thing, shadowName=SHADOW)[
        "payload"
    ]
    state: dict[str, Any] = json.loads(payload.read())["state"]
    return state.get("reported", {})


def test_components_of_a_thing_run_with_those_of_its_group(
    core: Core, component: Components
) -> None:
    shared, alone = component("shared", run="sleep 600"), component("alone", run="sleep 600")
    core.outcome(core.deploy({shared: {"componentVersion": "1.0.0"}}))
    assert own(core, alone)["coreDeviceExecutionStatus"] == "COMPLETED"
    eventually(lambda: core.installed() == {shared: "RUNNING", alone: "RUNNING"}, core.installed)
    assert own(core)["coreDeviceExecutionStatus"] == "COMPLETED"
    eventually(lambda: core.installed() == {shared: "RUNNING"}, core.installed)


def test_a_failure_is_reported_in_the_shadow(core: Core, component: Components) -> None:
    name = component("broken", install="exit 3")
    failed = own(core, name)
    assert failed["coreDeviceExecutionStatus"] == "FAILED"
    report = reported(core)
    assert (report["status"], report["statusDetails"]["failureCause"]) == (
        "FAILED",
        failed["reason"],
    )


def test_a_core_that_starts_again_repeats_no_deployment_and_takes_a_new_one(
    core: Core, component: Components
) -> None:
    once, later = component("once", install="echo installed"), component("later", run="sleep 600")
    own(core, once)
    core.stop()
    thing = core.aws.client("iot").describe_thing(thingName=core.thing)["thingArn"]
    missed = core.deploy({once: {"componentVersion": "1.0.0"},
                          later: {"componentVersion": "1.0.0"}}, target=thing)  # fmt: skip
    core.start()
    assert core.outcome(missed)["coreDeviceExecutionStatus"] == "COMPLETED"
    before = reported(core)
    core.stop()
    core.start()
    eventually(lambda: core.installed().get(later) == "RUNNING", core.installed)
    assert reported(core) == before
