"""A core device carries out deployments: updates, failures, rollbacks and removals."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local_aws.core_device.recipe import architecture
from testkit.waiting import eventually
from tests.emulator.core_device.conftest import Core, crashes_with, specification
from tests.emulator.running_emulator import Emulator, recipe

pytestmark = pytest.mark.emulator

Components = Callable[..., str]


def test_a_connected_core_learns_of_a_deployment_over_mqtt(
    core: Core, component: Components
) -> None:
    name = component("a", run="echo started; sleep 600")
    assert (
        core.outcome(core.deploy({name: specification()}))["coreDeviceExecutionStatus"]
        == "SUCCEEDED"
    )
    assert core.installed() == {name: "RUNNING"}
    eventually(lambda: "started" in core.printed(name))


def test_a_core_that_was_off_takes_the_newest_deployment_when_it_is_back(
    core: Core, component: Components
) -> None:
    core.stop()
    old, new = component("old", install="echo old"), component("new", install="echo new")
    core.deploy({old: specification()})
    latest = core.deploy({new: specification()})
    core.start()
    assert core.outcome(latest)["coreDeviceExecutionStatus"] == "SUCCEEDED"
    assert core.printed(old) == ""
    assert core.installed() == {new: "FINISHED"}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ({"install": "echo no disk >&2; exit 3"}, "install step ended with 3; last lines: no disk"),
        ({"startup": "echo no camera; exit 4"}, "startup step ended with 4; last lines: no camera"),
        ({"install": {"script": "sleep 600", "timeout": 1}}, "install step did not end within 1 s"),
    ],
)
def test_a_step_that_fails_brings_back_what_ran(
    core: Core, component: Components, steps: dict[str, Any], expected: str
) -> None:
    good = component("app", run="echo v1; sleep 600")
    core.outcome(core.deploy({good: specification()}))
    component("app", "2.0.0", **steps)

    ended = core.outcome(core.deploy({good: specification("2.0.0")}))

    assert ended["coreDeviceExecutionStatus"] == "FAILED"
    assert expected in ended["reason"]
    assert ended["statusDetails"] == {
        "errorStack": ["DEPLOYMENT_FAILURE", "COMPONENT_UPDATE_ERROR", "COMPONENT_BROKEN"],
        "errorTypes": ["USER_COMPONENT_ERROR"],
    }
    assert core.installed() == {good: "RUNNING"}
    eventually(lambda: core.printed(good).count("v1") == 2)
    current = json.loads(core.layout.current.read_text())
    assert [item["version"] for item in current["components"]] == ["1.0.0"]


def test_a_component_that_ends_after_the_deployment_is_broken_with_its_third_failure(
    core: Core, component: Components
) -> None:
    name = component("app", run=crashes_with(core, "fault"))
    assert (
        core.outcome(core.deploy({name: specification()}))["coreDeviceExecutionStatus"]
        == "SUCCEEDED"
    )
    (core.layout.root / "fault").touch()
    eventually(lambda: core.installed() == {name: "BROKEN"}, core.installed)
    assert core.printed(name).count("crash") == 3


def test_a_component_that_failed_in_an_update_and_in_its_rollback_starts_with_the_next_deployment(
    core: Core, component: Components
) -> None:
    name = component("app", startup=f"test ! -e {core.layout.root}/killed")
    core.outcome(core.deploy({name: specification()}))
    component("app", "2.0.0", startup="exit 9")
    (core.layout.root / "killed").touch()
    failed = core.outcome(core.deploy({name: specification("2.0.0")}))
    assert failed["coreDeviceExecutionStatus"] == "FAILED"
    assert core.installed() == {name: "BROKEN"}

    (core.layout.root / "killed").unlink()
    core.outcome(core.deploy({name: specification()}))
    assert core.installed() == {name: "RUNNING"}


def test_shutdown_runs_before_a_component_goes(core: Core, component: Components) -> None:
    name = component("app", startup="echo up", shutdown="echo down")
    core.outcome(core.deploy({name: specification()}))
    assert core.installed() == {name: "RUNNING"}
    core.outcome(core.deploy({}))
    assert core.printed(name).split() == ["up", "down"]


def test_a_wrong_digest_changes_nothing_on_the_core(
    aws: Emulator, core: Core, component: Components, artifact: Callable[..., Any], bucket: str
) -> None:
    name = component("app", run="sleep 600")
    core.outcome(core.deploy({name: specification()}))
    made = artifact("good")
    component("model", artifacts=[{"Uri": made.uri, "Unarchive": "ZIP"}])
    aws.client("s3").put_object(Bucket=bucket, Key=made.key, Body=b"something else")

    ended = core.outcome(
        core.deploy({name: specification(), f"{core.thing}.model": specification()})
    )

    assert ended["coreDeviceExecutionStatus"] == "FAILED"
    assert made.sha256 in ended["reason"]
    assert ended["statusDetails"]["errorStack"] == [
        "DEPLOYMENT_FAILURE",
        "ARTIFACT_CHECKSUM_MISMATCH",
    ]
    assert core.installed() == {name: "RUNNING"}
    assert not list(core.layout.artifacts(f"{core.thing}.model", "1.0.0").glob("*"))


def test_an_artifact_that_is_gone_is_named(
    aws: Emulator, core: Core, component: Components, artifact: Callable[..., Any], bucket: str
) -> None:
    made = artifact("good")
    name = component("model", artifacts=[{"Uri": made.uri}])
    aws.client("s3").delete_object(Bucket=bucket, Key=made.key)
    ended = core.outcome(core.deploy({name: specification()}))
    assert made.uri in ended["reason"]
    assert "ARTIFACT_DOWNLOAD_ERROR" in ended["statusDetails"]["errorStack"]


def test_what_a_deployment_leaves_out_is_removed(core: Core, component: Components) -> None:
    stays, goes = component("stays", run="sleep 600"), component("goes", run="sleep 600")
    core.outcome(core.deploy({stays: specification(), goes: specification()}))
    assert core.installed() == {stays: "RUNNING", goes: "RUNNING"}
    core.outcome(core.deploy({stays: specification()}))
    assert core.installed() == {stays: "RUNNING"}


def test_a_merge_restarts_only_the_component_whose_configuration_changed(
    core: Core, component: Components
) -> None:
    defaults = {"ComponentConfiguration": {"DefaultConfiguration": {"level": 1, "keep": "me"}}}
    first = component("one", run="echo one {configuration:/level}; sleep 600", **defaults)
    second = component("two", run="echo two {configuration:/level}; sleep 600", **defaults)
    core.outcome(core.deploy({first: specification(), second: specification()}))
    eventually(lambda: bool(core.printed(first) and core.printed(second)))

    core.outcome(core.deploy({first: specification(), second: specification(level=2)}))

    eventually(
        lambda: core.printed(second).split() == ["two", "1", "two", "2"], core.printed(second)
    )
    assert core.printed(first).split() == ["one", "1"]
    current = json.loads(core.layout.current.read_text())["components"]
    configurations = {item["name"]: item["configuration"] for item in current}
    assert configurations == {first: {"level": 1, "keep": "me"}, second: {"level": 2, "keep": "me"}}


def test_a_new_version_keeps_the_devices_configuration_unless_it_is_reset(
    core: Core, component: Components
) -> None:
    def with_default(value: int) -> dict[str, Any]:
        return {"ComponentConfiguration": {"DefaultConfiguration": {"level": value}}}

    name = component("app", install="true", **with_default(1))
    component("app", "2.0.0", install="true", **with_default(2))

    def level(specification: dict[str, Any]) -> Any:
        core.outcome(core.deploy({name: specification}))
        [only] = json.loads(core.layout.current.read_text())["components"]
        return only["configuration"]["level"]

    assert level(specification()) == 1
    assert level(specification("2.0.0")) == 1
    assert level({**specification("2.0.0"), "configurationUpdate": {"reset": [""]}}) == 2


def test_dependencies_that_no_deployment_names_come_along(
    core: Core, component: Components
) -> None:
    base = component("base", startup="echo base")
    component("base", "1.4.0", startup="echo newer")
    rule = {base: {"VersionRequirement": ">=1.0.0 <2.0.0", "DependencyType": "HARD"}}
    app = component("app", run="sleep 600", ComponentDependencies=rule)
    core.outcome(core.deploy({app: specification()}))
    assert core.installed() == {app: "RUNNING", base: "RUNNING"}
    assert core.printed(base).strip() == "newer"


def test_versions_that_do_not_fit_together_are_refused_by_name(
    core: Core, component: Components
) -> None:
    base = component("base")
    rule = {base: {"VersionRequirement": ">=2.0.0", "DependencyType": "HARD"}}
    app = component("app", run="sleep 600", ComponentDependencies=rule)
    ended = core.outcome(core.deploy({app: specification(), base: specification()}))
    assert f"{app} requires >=2.0.0" in ended["reason"]
    assert "NO_AVAILABLE_COMPONENT_VERSION" in ended["statusDetails"]["errorStack"]


def test_a_core_in_two_groups_runs_the_components_of_both(
    core: Core, component: Components, iot: Any
) -> None:
    other_group = iot.create_thing_group(thingGroupName=f"{core.thing}-2")["thingGroupArn"]
    iot.add_thing_to_thing_group(thingGroupName=f"{core.thing}-2", thingName=core.thing)
    first, second = component("one", run="sleep 600"), component("two", run="sleep 600")
    core.outcome(core.deploy({first: specification()}))
    core.outcome(core.deploy({second: specification()}, target=other_group))
    assert core.installed() == {first: "RUNNING", second: "RUNNING"}
    core.outcome(core.deploy({}, target=other_group))
    assert core.installed() == {first: "RUNNING"}


def test_a_subdeployment_replaces_its_parents_set_until_the_parent_is_revised(
    core: Core, component: Components, iot: Any, greengrass: Any
) -> None:
    wave = iot.create_thing_group(thingGroupName=f"{core.thing}-w")["thingGroupArn"]
    iot.add_thing_to_thing_group(thingGroupName=f"{core.thing}-w", thingName=core.thing)
    name = component("app", run="sleep 600")
    component("app", "2.0.0", run="sleep 600")
    core.outcome(core.deploy({name: specification()}))
    sub = core.deploy({name: specification("2.0.0")}, target=wave, parentTargetArn=core.group_arn)
    assert core.outcome(sub)["coreDeviceExecutionStatus"] == "SUCCEEDED"

    core.outcome(core.deploy({name: specification()}))

    assert greengrass.get_deployment(deploymentId=sub)["deploymentStatus"] == "INACTIVE"
    current = json.loads(core.layout.current.read_text())["components"]
    assert [item["version"] for item in current] == ["1.0.0"]


def test_a_core_that_loses_power_mid_update_carries_the_update_out_when_it_is_back(
    core: Core, component: Components
) -> None:
    name = component("app", run="echo v1; sleep 600")
    core.outcome(core.deploy({name: specification()}))
    gate = core.layout.root / "gate"
    component("app", "2.0.0", install=f"test -e {gate} || sleep 600", run="echo v2; sleep 600")
    update = core.deploy({name: specification("2.0.0")})
    eventually(lambda: core.installed() != {} and not _busy(core, update))
    core.stop()
    gate.touch()
    core.start()
    assert core.outcome(update)["coreDeviceExecutionStatus"] == "SUCCEEDED"
    eventually(lambda: "v2" in core.printed(name))


def _busy(core: Core, deployment_id: str) -> bool:
    """Return true if the deployment is not IN_PROGRESS on the device."""
    client = core.aws.client("greengrassv2")
    listed = client.list_effective_deployments(coreDeviceThingName=core.thing)
    return not any(
        deployment["deploymentId"] == deployment_id
        and deployment["coreDeviceExecutionStatus"] == "IN_PROGRESS"
        for deployment in listed["effectiveDeployments"]
    )


def for_architectures(greengrass: Any, name: str, **installs: str) -> str:
    """Create a component with one manifest per architecture; return the component's name."""
    manifests = [
        {
            "Platform": {"os": "linux", "architecture": architecture, "runtime": "*"},
            "Lifecycle": {"install": script},
        }
        for architecture, script in installs.items()
    ]
    text = recipe(name, "1.0.0", Manifests=manifests)
    greengrass.create_component_version(inlineRecipe=json.dumps(text).encode())
    return name


def test_the_manifest_of_the_devices_own_architecture_is_used(
    core: Core, greengrass: Any, unique: str
) -> None:
    own, other = architecture(), "sparc"
    name = for_architectures(greengrass, f"{unique}.app", **{other: "exit 7", own: "echo own"})
    assert (
        core.outcome(core.deploy({name: specification()}))["coreDeviceExecutionStatus"]
        == "SUCCEEDED"
    )
    assert core.printed(name) == "own\n"


def test_a_device_of_an_architecture_without_a_manifest_refuses_and_keeps_what_it_has(
    core: Core, greengrass: Any, component: Components, unique: str
) -> None:
    good = component("good", run="sleep 600")
    core.outcome(core.deploy({good: specification()}))
    name = for_architectures(greengrass, f"{unique}.app", sparc="true")
    ended = core.outcome(core.deploy({good: specification(), name: specification()}))
    assert ended["coreDeviceExecutionStatus"] == "FAILED"
    assert f"No version of component {name} satisfies its requirements" in ended["reason"]
    assert architecture() in ended["reason"]
    assert core.installed() == {good: "RUNNING"}
