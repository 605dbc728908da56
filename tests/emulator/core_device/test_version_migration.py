"""Devices change from the old version format of components to the new format, on both nuclei."""

from collections.abc import Callable
from typing import Any

import pytest

from local_aws.core_device.nucleus import Kind
from testkit.waiting import eventually
from tests.emulator.core_device.conftest import Core

pytestmark = pytest.mark.emulator

Components = Callable[..., str]
OLD = "1.0.0-sha256-0123456789abcdef"
NEW = "1.482113.90211"


@pytest.fixture(params=["classic", "lite"])
def core_runtime(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


def release(component: Components, version: str, **model_steps: str) -> dict[str, Any]:
    """Create a model and a camera in one version format; return the deployment's components."""
    model = component("model", version, **model_steps)
    camera: dict[str, Any] = {"run": f"echo camera {version}; sleep 600"}
    if version == OLD:
        requirement = {"VersionRequirement": f"={version}", "DependencyType": "SOFT"}
        camera["ComponentDependencies"] = {model: requirement}
    names = (model, component("camera", version, **camera))
    return {name: {"componentVersion": version} for name in names}


def ended(core: Core, components: dict[str, Any]) -> str:
    return str(core.outcome(core.deploy(components))["coreDeviceExecutionStatus"])


def versions(core: Core) -> dict[str, str]:
    listed = core.aws.client("greengrassv2").list_installed_components(
        coreDeviceThingName=core.thing, topologyFilter="ALL"
    )["installedComponents"]
    return {
        installed["componentName"].rpartition(".")[2]: installed["componentVersion"]
        for installed in listed
    }


def camera_of(components: dict[str, Any]) -> str:
    return next(name for name in components if name.endswith(".camera"))


def both(version: str) -> dict[str, str]:
    return {"model": version, "camera": version}


@pytest.mark.parametrize("core_runtime", ["classic"], indirect=True)
def test_a_classic_device_moves_to_three_numbers_and_back_in_a_rollback(
    core: Core, component: Components
) -> None:
    before = release(component, OLD, install="true")
    after = release(component, NEW, install="true", run="true")
    for components, version in ((before, OLD), (after, NEW), (before, OLD), (after, NEW)):
        assert ended(core, components) == "SUCCEEDED"
        eventually(lambda version=version: versions(core) == both(version))
    core.stop()
    core.start()
    eventually(lambda: core.printed(camera_of(after)).count(f"camera {NEW}") == 3)
    eventually(lambda: core.installed()[camera_of(after)] == "RUNNING")


@pytest.mark.parametrize("core_runtime", ["lite"], indirect=True)
def test_a_lite_device_that_the_old_form_left_broken_runs_the_new_form_and_keeps_it(
    core: Core, component: Components
) -> None:
    """A lite device on which the old-format release failed runs the new-format release.

    The new-format release also runs after a restart. On lite, deployments in the old format fail
    because the model component has no service.
    """
    before = release(component, OLD, install="true")
    camera = camera_of(before)
    assert ended(core, before) == "FAILED"
    core.stop()
    core.start()
    after = release(component, NEW, install="true", run="true")
    assert ended(core, after) == "SUCCEEDED"
    eventually(lambda: versions(core) == both(NEW), lambda: versions(core))
    core.stop()
    core.start()
    eventually(lambda: core.printed(camera).count(f"camera {NEW}") == 2)
    eventually(lambda: core.installed()[camera] == "RUNNING")
