"""A core device with nucleus lite carries out deployments of the emulator."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from awscrt import mqtt
from awsiot import mqtt_connection_builder

from local_aws.core_device.nucleus import Kind
from testkit.waiting import eventually
from tests.emulator.core_device.conftest import Core, crashes_with, specification

pytestmark = pytest.mark.emulator

Components = Callable[..., str]
SUCCEEDED, FAILED = "SUCCEEDED", "FAILED"


@pytest.fixture
def core_runtime() -> Kind:
    return "lite"


def deployed(core: Core, components: dict[str, Any], **more: Any) -> str:
    """Deploy components; return the deployment's status on the device."""
    return str(core.outcome(core.deploy(components, **more))["coreDeviceExecutionStatus"])


def test_a_camera_and_what_it_needs_run_and_the_device_is_known_as_lite(
    core: Core, component: Components, greengrass: Any
) -> None:
    model = component("model", install="echo model", run="true")
    camera = component("camera", run="echo camera; sleep 600")
    assert deployed(core, {model: specification(), camera: specification()}) == SUCCEEDED
    eventually(lambda: core.installed() == {model: "FINISHED", camera: "RUNNING"}, core.installed)
    record = greengrass.get_core_device(coreDeviceThingName=core.thing)
    assert (record["runtime"], record["coreVersion"]) == ("aws_nucleus_lite", "2.6.0")


def test_a_component_that_only_installs_fails_its_deployment(
    core: Core, component: Components
) -> None:
    good = component("good", run="sleep 600")
    model = component("model", install="echo model")
    assert deployed(core, {good: specification(), model: specification()}) == FAILED
    assert core.printed(model) == "model\n"
    assert core.installed()[good] == "RUNNING"


def test_a_startup_step_must_notify_its_unit(core: Core, component: Components) -> None:
    send = (
        "import os, socket; "
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)"
        '.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])'
    )
    notifies = component("notifies", startup=f"python3.12 -c '{send}'")
    assert deployed(core, {notifies: specification()}) == SUCCEEDED
    assert core.installed() == {notifies: "RUNNING"}
    ends = component("ends", startup="echo up")
    assert deployed(core, {notifies: specification(), ends: specification()}) == FAILED
    assert core.printed(ends).split() == ["up"] * 3


@pytest.mark.parametrize("policy", ["ROLLBACK", "DO_NOTHING"])
def test_a_failed_deployment_is_not_rolled_back_and_has_no_cause(
    core: Core, component: Components, policy: str
) -> None:
    name = component("app", run="echo v1; sleep 600")
    component("app", "2.0.0", startup="echo v2; exit 7")
    deployed(core, {name: specification()})
    failed = core.deploy(
        {name: specification("2.0.0")}, deploymentPolicies={"failureHandlingPolicy": policy}
    )
    ended = core.outcome(failed)
    assert ended["coreDeviceExecutionStatus"] == FAILED
    assert ended["reason"] == "FAILED_ROLLBACK_NOT_REQUESTED"
    assert ended["statusDetails"] == {"errorStack": [], "errorTypes": []}
    eventually(lambda: core.installed() == {name: "BROKEN"}, core.installed)
    assert core.printed(name).count("v2") == 3

    assert deployed(core, {name: specification()}) == SUCCEEDED
    eventually(lambda: core.installed() == {name: "RUNNING"}, core.installed)


def test_an_install_step_is_tried_three_times_while_the_old_version_runs(
    core: Core, component: Components
) -> None:
    name = component("app", run="sleep 600")
    component("app", "2.0.0", install="echo trying; exit 3", run="sleep 600")
    deployed(core, {name: specification()})
    assert deployed(core, {name: specification("2.0.0")}) == FAILED
    assert core.printed(name).count("trying") == 3


def test_an_install_step_has_the_limit_of_the_nucleus_whatever_its_timeout_is(
    core: Core, component: Components
) -> None:
    name = component("app", install={"Script": "sleep 600", "Timeout": 1800}, run="true")
    assert deployed(core, {name: specification()}) == FAILED


def test_a_component_is_broken_with_its_third_failure_and_a_deployment_starts_it_again(
    core: Core, component: Components
) -> None:
    name = component("app", run=crashes_with(core, "fault"))
    assert deployed(core, {name: specification()}) == SUCCEEDED
    (core.layout.root / "fault").touch()
    eventually(lambda: core.installed() == {name: "BROKEN"}, core.installed)
    assert core.printed(name).count("crash") == 3
    (core.layout.root / "fault").unlink()
    assert deployed(core, {name: specification()}) == SUCCEEDED
    eventually(lambda: core.installed() == {name: "RUNNING"}, core.installed)


def test_a_soft_dependency_is_driven_to_an_error_by_a_camera_that_crashes(
    core: Core, component: Components
) -> None:
    # systemd does not start an active unit, so the camera must crash after the model has ended.
    root = core.layout.root
    runs = f"echo $$ > {root}/pid; echo again; echo started >> {root}/models"
    model = component("model", run=runs)
    soft = {model: {"VersionRequirement": "1.0.0", "DependencyType": "SOFT"}}
    run = (
        f"echo started >> {root}/cameras; while ! test -e {root}/fault; do sleep 0.05; done; "
        f"while test $(wc -l < {root}/models) -lt $(wc -l < {root}/cameras); do sleep 0.05; done; "
        f"while test -e /proc/$(cat {root}/pid); do sleep 0.05; done; exit 7"
    )
    camera = component("camera", run=run, ComponentDependencies=soft)
    assert deployed(core, {camera: specification(), model: specification()}) == SUCCEEDED
    (core.layout.root / "fault").touch()
    expected = {camera: "BROKEN", model: "ERRORED"}
    eventually(lambda: core.installed() == expected, core.installed)
    assert core.printed(model).split() == ["again"] * 3


def test_a_hard_dependency_on_a_component_without_a_unit_fails(
    core: Core, component: Components
) -> None:
    model = component("model", install="true")
    hard = {model: {"VersionRequirement": "1.0.0", "DependencyType": "HARD"}}
    camera = component("camera", run="echo camera; sleep 600", ComponentDependencies=hard)
    assert deployed(core, {camera: specification()}) == FAILED
    assert core.printed(camera) == ""


def test_shutdown_and_recover_do_not_run(core: Core, component: Components) -> None:
    name = component("app", run="echo up; sleep 600", shutdown="echo down", recover="echo recover")
    deployed(core, {name: specification()})
    eventually(lambda: core.printed(name) == "up\n")
    assert deployed(core, {}) == SUCCEEDED
    assert core.printed(name) == "up\n"
    assert core.installed() == {}


def test_each_configuration_update_restarts_its_component(
    core: Core, component: Components
) -> None:
    first, second = (component(name, run=f"echo {name}; sleep 600") for name in ("one", "two"))
    deployed(core, {first: specification(), second: specification()})
    access = {"accessControl": {}}
    deployed(core, {first: specification(), second: specification(**access)})
    deployed(core, {first: specification(), second: specification(**access)})
    eventually(lambda: core.printed(second).split() == ["two"] * 3, lambda: core.printed(second))
    assert core.printed(first).split() == ["one"]


def test_all_install_steps_end_before_the_first_component_stops(
    core: Core, component: Components
) -> None:
    trace = core.layout.root / "trace"
    for version in ("1.0.0", "2.0.0"):
        for name in ("a", "b"):
            component(
                name,
                version,
                install=f"echo install {name} {version} >> {trace}",
                run=f"trap 'echo stop {name} {version} >> {trace}; exit 0' TERM; "
                f"echo start {name} {version} >> {trace}; while true; do sleep 0.05; done",
            )
    names = [f"{core.thing}.{name}" for name in ("a", "b")]
    for version in ("1.0.0", "2.0.0"):
        assert deployed(core, {name: specification(version) for name in names}) == SUCCEEDED
        eventually(lambda: trace.read_text().count("start") == 2 * int(version[0]))  # noqa: B023
    traced = trace.read_text().splitlines()[4:]
    # A process may print its start later, so the test compares only the other lines.
    assert [line for line in traced if not line.startswith("start")] == [
        "install a 2.0.0", "install b 2.0.0", "stop a 1.0.0", "stop b 1.0.0",
    ]  # fmt: skip
    for name in ("a", "b"):
        assert traced.index(f"stop {name} 1.0.0") < traced.index(f"start {name} 2.0.0")


def test_paths_of_artifacts_have_two_slashes_and_name_the_file(
    core: Core, component: Components, artifact: Callable[..., Any]
) -> None:
    made = artifact("x")
    script = "echo {artifacts:path}/model.zip; cat {artifacts:decompressedPath}/model/content.txt"
    name = component("app", run=script, artifacts=[{"Uri": made.uri, "Unarchive": "ZIP"}])
    assert deployed(core, {name: specification()}) == SUCCEEDED
    path = f"{core.layout.artifacts(name, '1.0.0')}//model.zip"
    eventually(lambda: core.printed(name) == f"{path}\nx", lambda: core.printed(name))


def test_a_component_has_credentials_if_it_depends_on_the_service(
    core: Core, component: Components
) -> None:
    service = "aws.greengrass.TokenExchangeService"
    script = "echo credentials ${AWS_CONTAINER_CREDENTIALS_FULL_URI:-none}"
    name = component("app", run=script)
    deployed(core, {name: specification()})
    eventually(lambda: core.printed(name) == "credentials none\n", lambda: core.printed(name))
    assert service not in core.installed()


def test_a_manifest_without_a_runtime_is_skipped(core: Core, component: Components) -> None:
    name = component("app", run="true", Platform={"os": "linux"})
    assert deployed(core, {name: specification()}) == FAILED
    assert core.installed() == {}


def test_a_recipe_of_more_than_12000_bytes_is_not_deployed(
    core: Core, component: Components
) -> None:
    name = component("app", run=f"true # {'x' * 12_000}")
    assert deployed(core, {name: specification()}) == FAILED


def test_a_job_document_of_more_than_4096_bytes_is_not_deployed(
    core: Core, component: Components
) -> None:
    name = component("app", run="true")
    assert deployed(core, {name: specification(text="x" * 4_096)}) == FAILED


def test_a_device_without_a_user_for_components_fails_every_deployment(
    core: Core, component: Components
) -> None:
    core.stop()
    core.configure(posix_user="")
    core.start()
    assert deployed(core, {component("app", run="true"): specification()}) == FAILED


@pytest.mark.parametrize(
    ("version", "status"), [("1.0.0-sha256-abc", "BROKEN"), ("1.512.77", "RUNNING")]
)
def test_a_version_with_a_hyphen_loses_its_recipe_and_is_broken_at_the_next_start(
    core: Core, component: Components, version: str, status: str
) -> None:
    name = component("app", version, run="sleep 600")
    assert deployed(core, {name: specification(version)}) == SUCCEEDED
    assert core.installed() == {name: "RUNNING"}
    core.stop()
    core.start()
    eventually(lambda: core.installed() == {name: status}, core.installed)


def test_a_core_that_starts_again_starts_its_components_without_their_install_steps(
    core: Core, component: Components
) -> None:
    name = component("app", install="echo install", run="echo run; sleep 600")
    assert deployed(core, {name: specification()}) == SUCCEEDED
    core.stop()
    core.start()
    eventually(lambda: core.printed(name).split() == ["install", "run", "run"], core.printed(name))
    eventually(lambda: core.installed() == {name: "RUNNING"}, core.installed)


def test_old_versions_are_removed_from_the_disk_when_the_new_ones_work(
    core: Core, component: Components, artifact: Callable[..., Any]
) -> None:
    artifacts = [{"Uri": artifact("x").uri, "Unarchive": "ZIP"}]
    name = component("app", run="sleep 600", artifacts=artifacts)
    component("app", "2.0.0", install="exit 7", run="true", artifacts=artifacts)
    component("app", "3.0.0", run="sleep 600", artifacts=artifacts)

    def on_disk() -> list[str]:
        folders = [folder / name for folder in core.layout.stored_versions]
        contents = [sorted(path.name for path in folder.iterdir()) for folder in folders]
        assert contents[0] == contents[1]
        return contents[0]

    assert deployed(core, {name: specification()}) == SUCCEEDED
    assert deployed(core, {name: specification("2.0.0")}) == FAILED
    assert on_disk() == ["1.0.0", "2.0.0"]
    assert deployed(core, {name: specification("3.0.0")}) == SUCCEEDED
    assert on_disk() == ["3.0.0"]


@pytest.fixture
def job_updates(core: Core) -> Iterator[list[dict[str, Any]]]:
    """The device's job updates, which a second client of the thing receives."""
    endpoint = core.aws.endpoint
    client = mqtt_connection_builder.mtls_from_path(
        endpoint=endpoint["mqtt_host"],
        port=endpoint["mqtt_port"],
        ca_filepath=endpoint["ca_file"],
        cert_filepath=str(core.layout.certificate),
        pri_key_filepath=str(core.layout.private_key),
        client_id=f"{core.thing}#2",
    )
    client.connect().result(20)
    updates: list[dict[str, Any]] = []
    topic = f"$aws/things/{core.thing}/jobs/+/namespace-aws-gg-deployment/update"
    client.subscribe(
        topic, mqtt.QoS.AT_LEAST_ONCE, lambda payload, **_: updates.append(json.loads(payload))
    )[0].result(20)
    yield updates
    client.disconnect().result(20)


def test_updates_of_jobs_have_a_status_only(
    core: Core, component: Components, job_updates: list[dict[str, Any]]
) -> None:
    assert deployed(core, {component("app", install="exit 7"): specification()}) == FAILED
    eventually(lambda: len(job_updates) == 2, job_updates)
    assert [update["status"] for update in job_updates] == ["IN_PROGRESS", "FAILED"]
    assert [sorted(update) for update in job_updates] == [["clientToken", "status"]] * 2
