"""A device that runs components of the old form moves to the new form, and back in a rollback."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.core_device.conftest import Core
from tests.waiting import eventually

pytestmark = pytest.mark.emulator

Components = Callable[..., str]
OLD = "1.0.0-sha256-0123456789abcdef"
NEW = "1.482113.90211"


def release(component: Components, version: str, **model_steps: str) -> dict[str, Any]:
    """Create a model and a camera of one form; return the components of the deployment."""
    model = component("model", version, **model_steps)
    camera: dict[str, Any] = {"run": f"echo camera {version}; sleep 600"}
    if version == OLD:
        requirement = {"VersionRequirement": f"={version}", "DependencyType": "SOFT"}
        camera["ComponentDependencies"] = {model: requirement}
    names = (model, component("camera", version, **camera))
    return {name: {"componentVersion": version} for name in names}


def versions(core: Core) -> dict[str, str]:
    listed = core.aws.client("greengrassv2").list_installed_components(
        coreDeviceThingName=core.thing, topologyFilter="ALL"
    )["installedComponents"]
    return {one["componentName"].rpartition(".")[2]: one["componentVersion"] for one in listed}


def test_a_device_moves_to_three_numbers_and_back_and_keeps_its_components_after_a_restart(
    core: Core, component: Components
) -> None:
    before = release(component, OLD, install="true")
    after = release(component, NEW, install="true", run="true")
    camera = next(name for name in after if name.endswith(".camera"))
    # The old release, the new one, a rollback, and the new one again.
    for number, (components, version) in enumerate(
        ((before, OLD), (after, NEW), (before, OLD), (after, NEW)), start=1
    ):
        ended = core.outcome(core.deploy(components))
        assert ended["coreDeviceExecutionStatus"] == "SUCCEEDED", ended
        expected = {"model": version, "camera": version}
        eventually(lambda expected=expected: versions(core) == expected)
        eventually(lambda number=number: core.said(camera).count("camera 1.") == number)
    core.stop()
    core.start()
    eventually(lambda: core.said(camera).count(f"camera {NEW}") == 3)
    eventually(lambda: core.installed()[camera] == "RUNNING")
