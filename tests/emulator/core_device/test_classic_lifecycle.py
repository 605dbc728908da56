"""The classic nucleus follows the lifecycle of components, with the emulator as its cloud."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from awscrt import mqtt
from awsiot import mqtt_connection_builder

from testkit.waiting import eventually
from tests.emulator.core_device.conftest import Core, crashes_with, specification
from tests.emulator.running_emulator import Emulator

pytestmark = pytest.mark.emulator

Components = Callable[..., str]
SUCCEEDED, FAILED = "SUCCEEDED", "FAILED"
WAITS = "while true; do sleep 0.05; done"


def deployed(core: Core, components: dict[str, Any], **more: Any) -> str:
    """Deploy components; return the deployment's status on the device."""
    return str(core.outcome(core.deploy(components, **more))["coreDeviceExecutionStatus"])


def test_an_install_step_that_works_at_the_third_attempt_is_installed(
    core: Core, component: Components
) -> None:
    count = core.layout.root / "count"
    name = component(
        "app",
        install=f"echo x >> {count}; test $(wc -l < {count}) -ge 3",
        run="sleep 600",
        recover="echo recover",
    )
    assert deployed(core, {name: specification()}) == SUCCEEDED
    assert core.printed(name).split() == ["recover"] * 2


def test_an_install_step_that_fails_three_times_breaks_the_component(
    core: Core, component: Components
) -> None:
    name = component("app", install="echo trying; exit 3", run="sleep 600")
    assert deployed(core, {name: specification()}) == FAILED
    assert core.printed(name).split() == ["trying"] * 3


def test_a_startup_step_that_fails_is_stopped_and_recovered_before_each_new_attempt(
    core: Core, component: Components
) -> None:
    name = component(
        "app", startup="echo start; exit 4", shutdown="echo stop", recover="echo recover"
    )
    assert deployed(core, {name: specification()}) == FAILED
    again = ["start", "recover", "stop"]
    assert core.printed(name).split() == [*again, *again, "start", "stop"]


def test_a_crash_is_recovered_and_a_third_one_is_not(core: Core, component: Components) -> None:
    name = component("app", run=crashes_with(core, "fault"), recover="echo recover")
    assert deployed(core, {name: specification()}) == SUCCEEDED
    (core.layout.root / "fault").touch()
    eventually(lambda: core.installed() == {name: "BROKEN"}, core.installed)
    assert core.printed(name).split() == ["crash", "recover", "crash", "recover", "crash"]


def test_a_run_step_that_ends_with_0_is_shut_down_and_has_finished(
    core: Core, component: Components
) -> None:
    name = component("app", run="echo run", shutdown="echo shutdown")
    assert deployed(core, {name: specification()}) == SUCCEEDED
    eventually(
        lambda: core.printed(name).split() == ["run", "shutdown"], lambda: core.printed(name)
    )


def test_a_run_step_that_takes_longer_than_its_timeout_is_an_error(
    core: Core, component: Components, greengrass: Any
) -> None:
    name = component("app", run={"script": "echo run; sleep 600", "timeout": 1})
    assert deployed(core, {name: specification()}) == SUCCEEDED
    eventually(lambda: core.installed() == {name: "BROKEN"}, core.installed)
    listed = greengrass.list_installed_components(coreDeviceThingName=core.thing)
    [installed] = listed["installedComponents"]
    assert installed["lifecycleStatusCodes"] == ["RUN_TIMEOUT"]
    assert "did not end within 1 s" in installed["lifecycleStateDetails"]


def test_the_uninstall_step_runs_when_a_component_is_removed_and_not_when_it_is_updated(
    core: Core, component: Components
) -> None:
    for version in ("1.0.0", "2.0.0"):
        name = component("app", version, run=WAITS, uninstall=f"echo uninstall {version}")
    deployed(core, {name: specification()})
    deployed(core, {name: specification("2.0.0")})
    assert core.printed(name) == ""
    deployed(core, {})
    assert core.printed(name) == "uninstall 2.0.0\n"
    assert core.installed() == {}


def test_a_new_component_starts_before_the_removed_one_stops(
    core: Core, component: Components
) -> None:
    trace = core.layout.root / "trace"
    old, new = (
        component(
            name,
            startup=f"echo start {name} >> {trace}",
            shutdown=f"echo stop {name} >> {trace}",
        )
        for name in ("old", "new")
    )
    deployed(core, {old: specification()})
    deployed(core, {new: specification()})
    assert trace.read_text().splitlines() == ["start old", "start new", "stop old"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("ROLLBACK", ("FAILED_ROLLBACK_COMPLETE", "RUNNING")),
        ("DO_NOTHING", ("FAILED_ROLLBACK_NOT_REQUESTED", "BROKEN")),
    ],
)
def test_a_failed_deployment_is_rolled_back_if_it_asks_for_it(
    core: Core, component: Components, iot: Any, policy: str, expected: tuple[str, str]
) -> None:
    detail, state = expected
    name = component("app", run=WAITS)
    component("app", "2.0.0", startup=f"echo {'x' * 2_000}; exit 4")
    deployed(core, {name: specification()})
    policies = {"failureHandlingPolicy": policy}
    ended = core.outcome(core.deploy({name: specification("2.0.0")}, deploymentPolicies=policies))
    assert ended["coreDeviceExecutionStatus"] == FAILED
    job = iot.describe_job_execution(jobId=ended["iotJobId"], thingName=core.thing)
    details = job["execution"]["statusDetails"]["detailsMap"]
    assert details["detailed-deployment-status"] == detail
    assert len(details["deployment-failure-cause"]) == 1_024
    eventually(lambda: core.installed() == {name: state}, core.installed)


def test_another_access_control_changes_rights_and_restarts_nothing(
    core: Core, component: Components
) -> None:
    access = {"accessControl": {"aws.greengrass.ipc.mqttproxy": {"a": {"resources": ["x"]}}}}
    name = component("app", run=f"echo run; {WAITS}")
    deployed(core, {name: specification()})
    eventually(lambda: core.printed(name) == "run\n")
    assert deployed(core, {name: specification(**access)}) == SUCCEEDED
    assert core.printed(name) == "run\n"
    [saved] = json.loads(core.layout.current.read_text())["components"]
    assert saved["configuration"] == access


def test_a_component_that_depends_on_a_crashed_one_restarts_with_it(
    core: Core, component: Components
) -> None:
    fault = core.layout.root / "fault"
    base = component(
        "base", run=f"while ! test -e {fault}; do sleep 0.05; done; rm {fault}; exit 7"
    )
    rule = {base: {"VersionRequirement": "1.0.0", "DependencyType": "HARD"}}
    soft = {base: {"VersionRequirement": "1.0.0", "DependencyType": "SOFT"}}
    bound = component("bound", run=f"echo run; {WAITS}", ComponentDependencies=rule)
    free = component("free", run=f"echo run; {WAITS}", ComponentDependencies=soft)
    deployed(core, {bound: specification(), free: specification()})
    eventually(lambda: bool(core.printed(bound) and core.printed(free)))
    fault.touch()
    eventually(lambda: core.printed(bound).split() == ["run", "run"], lambda: core.printed(bound))
    assert core.printed(free).split() == ["run"]


def test_another_version_of_a_plugin_restarts_every_component(
    core: Core, component: Components
) -> None:
    plugin = "aws.greengrass.LambdaManager"
    nucleus = {"aws.greengrass.Nucleus": specification("2.16.1")}
    name = component("app", install="echo install", run=f"echo run; {WAITS}")
    deployed(core, {name: specification(), plugin: specification("2.3.6"), **nucleus})
    assert (
        deployed(core, {name: specification(), plugin: specification("2.3.6"), **nucleus})
        == SUCCEEDED
    )
    eventually(lambda: core.printed(name).split() == ["install", "run"], lambda: core.printed(name))
    assert (
        deployed(core, {name: specification(), plugin: specification("2.3.7"), **nucleus})
        == SUCCEEDED
    )
    twice = ["install", "run"] * 2
    eventually(lambda: core.printed(name).split() == twice, lambda: core.printed(name))
    assert core.installed()[name] == "RUNNING"


@pytest.mark.parametrize(("code", "status"), [(0, SUCCEEDED), (100, SUCCEEDED), (3, FAILED)])
def test_a_bootstrap_step_runs_between_two_runs_of_the_core(
    core: Core, component: Components, code: int, status: str
) -> None:
    other = component("other", run=f"echo run; {WAITS}")
    deployed(core, {other: specification()})
    eventually(lambda: core.printed(other) == "run\n")
    name = component("app", bootstrap=f"echo bootstrap; exit {code}", run=WAITS)
    assert deployed(core, {other: specification(), name: specification()}) == status
    assert core.printed(name) == "bootstrap\n"
    eventually(lambda: core.printed(other).split() == ["run", "run"], lambda: core.printed(other))
    expected = {other: "RUNNING"} | ({name: "RUNNING"} if status == SUCCEEDED else {})
    assert core.installed() == expected


def test_a_core_that_starts_again_installs_and_starts_its_components(
    core: Core, component: Components
) -> None:
    broken = component("broken", install=f"test ! -e {core.layout.root}/fault", run=WAITS)
    name = component("works", install="echo install", run=f"echo run; {WAITS}")
    deployed(core, {broken: specification(), name: specification()})
    core.stop()
    (core.layout.root / "fault").touch()
    core.start()
    eventually(lambda: core.installed() == {broken: "BROKEN", name: "RUNNING"}, core.installed)
    twice = ["install", "run"] * 2
    eventually(lambda: core.printed(name).split() == twice, lambda: core.printed(name))


def test_old_versions_are_removed_from_the_disk_after_a_deployment(
    core: Core, component: Components, artifact: Callable[..., Any]
) -> None:
    artifacts = [{"Uri": artifact("x").uri, "Unarchive": "ZIP"}]
    # Classic splits the file names of recipes at the at sign, so a hyphen causes no error.
    for version in ("1.0.0-sha256-abc", "2.0.0"):
        name = component("app", version, run=WAITS, artifacts=artifacts)
    deployed(core, {name: specification("1.0.0-sha256-abc")})
    deployed(core, {name: specification("2.0.0")})
    for folder in core.layout.stored_versions:
        assert [path.name for path in (folder / name).iterdir()] == ["2.0.0"]
    assert [path.name for path in core.layout.recipes.iterdir()] == [f"{name}@2.0.0.recipe.json"]
    deployed(core, {})
    assert list(core.layout.recipes.iterdir()) == []


def test_credentials_are_in_the_environment_if_the_service_is_deployed(
    core: Core, component: Components
) -> None:
    service = {"aws.greengrass.TokenExchangeService": specification("2.0.3")}
    nucleus = {"aws.greengrass.Nucleus": specification("2.16.1")}
    script = f"echo ${{AWS_CONTAINER_CREDENTIALS_FULL_URI:+with}} credentials; {WAITS}"
    name = component("app", run=script)
    component("app", "2.0.0", run=script)
    deployed(core, {name: specification()})
    eventually(lambda: core.printed(name) == "credentials\n", lambda: core.printed(name))
    deployed(core, {name: specification(), **service, **nucleus})
    deployed(core, {name: specification("2.0.0"), **service, **nucleus})
    expected = "credentials\nwith credentials\n"
    eventually(lambda: core.printed(name) == expected, lambda: core.printed(name))


@pytest.fixture
def health(core: Core, aws: Emulator) -> Iterator[list[dict[str, Any]]]:
    """The device's health messages, which a second client of the thing receives."""
    client = mqtt_connection_builder.mtls_from_path(
        endpoint=aws.endpoint["mqtt_host"],
        port=aws.endpoint["mqtt_port"],
        ca_filepath=aws.endpoint["ca_file"],
        cert_filepath=str(core.layout.certificate),
        pri_key_filepath=str(core.layout.private_key),
        client_id=f"{core.thing}#2",
    )
    client.connect().result(20)
    messages: list[dict[str, Any]] = []
    client.subscribe(
        f"$aws/things/{core.thing}/greengrassv2/health/json",
        mqtt.QoS.AT_LEAST_ONCE,
        lambda payload, **_: messages.append(json.loads(payload)),
    )[0].result(20)
    yield messages
    client.disconnect().result(20)


def test_health_messages_are_about_launches_deployments_and_errors(
    core: Core, component: Components, health: list[dict[str, Any]]
) -> None:
    stays = component("stays", run=WAITS)
    name = component("app", run=crashes_with(core, "fault"))
    deployed(core, {stays: specification()})
    latest = core.deploy({stays: specification(), name: specification()})
    core.outcome(latest)
    (core.layout.root / "fault").touch()
    eventually(lambda: core.installed() == {name: "BROKEN", stays: "RUNNING"}, core.installed)
    core.stop()
    (core.layout.root / "fault").unlink()
    core.start()
    eventually(lambda: health[-1]["trigger"] == "NUCLEUS_LAUNCH", health)
    # The second client may have connected after the first launch.
    del health[: [message["trigger"] for message in health].index("THING_GROUP_DEPLOYMENT")]
    summaries = [
        (
            message["messageType"],
            message["trigger"],
            [part["componentName"] for part in message["components"]],
        )
        for message in health
    ]
    deployment = "THING_GROUP_DEPLOYMENT"
    assert summaries[:5] == [
        ("PARTIAL", deployment, [stays]),
        ("PARTIAL", deployment, [name]),
        ("PARTIAL", "ERRORED_COMPONENT", [name]),
        ("PARTIAL", "ERRORED_COMPONENT", [name]),
        ("PARTIAL", "BROKEN_COMPONENT", [name]),
    ]
    assert summaries[-1] == ("COMPLETE", "NUCLEUS_LAUNCH", [name, stays])
    information = health[1]["deploymentInformation"]
    assert information["deploymentId"] == latest
    assert information["unchangedRootComponents"] == [stays]
    assert [message["overallDeviceStatus"] for message in health[2:5]] == [
        "HEALTHY", "HEALTHY", "UNHEALTHY",
    ]  # fmt: skip
    numbers = [message["sequenceNumber"] for message in health]
    assert numbers == list(range(1, len(numbers) + 1))
    assert not any("runtime" in message for message in health)
