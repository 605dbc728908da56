"""The effects of a deployment on a component, and the reports of each nucleus."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.core_device.device import NUCLEI
from local_aws.core_device.layout import Layout
from local_aws.core_device.nucleus import Deployable, Kind, Reported, StartType
from local_aws.core_device.update_plan import ComponentChange

CLASSIC, LITE = NUCLEI["classic"], NUCLEI["lite"]
BOTH = pytest.mark.parametrize("kind", ["classic", "lite"])
ACCESS = {"accessControl": {"aws.greengrass.ipc.mqttproxy": {"c:mqttproxy:1": {}}}}


def recipe(*, kind: str = "aws.greengrass.generic", **steps: Any) -> dict[str, Any]:
    platform = {"os": "linux", "runtime": "*"}
    return {"ComponentType": kind, "Manifests": [{"Platform": platform, "Lifecycle": steps}]}


def app(
    version: str = "1.0.0",
    configuration: Mapping[str, Any] | None = None,
    definition: Mapping[str, Any] | None = None,
) -> Deployable:
    return Deployable("app", version, definition or recipe(run="run"), configuration or {})


@BOTH
def test_a_new_component_and_another_version_are_installed(kind: Kind) -> None:
    change = NUCLEI[kind].change
    assert change(None, app(), works=False, is_configured=False) is ComponentChange.REINSTALL
    assert change(app(), app("2.0.0"), works=True, is_configured=False) is ComponentChange.REINSTALL


@BOTH
def test_a_component_that_works_and_does_not_change_is_left_alone(kind: Kind) -> None:
    assert (
        NUCLEI[kind].change(app(), app(), works=True, is_configured=False) is ComponentChange.NONE
    )


@BOTH
def test_a_broken_component_that_does_not_change_begins_again(kind: Kind) -> None:
    assert (
        NUCLEI[kind].change(app(), app(), works=False, is_configured=False)
        is ComponentChange.REINSTALL
    )


def test_another_access_control_restarts_a_component_of_lite_only() -> None:
    before, after = app(), app(configuration=ACCESS)
    assert CLASSIC.change(before, after, works=True, is_configured=True) is ComponentChange.NONE
    assert LITE.change(before, after, works=True, is_configured=True) is ComponentChange.REINSTALL


def test_lite_begins_again_for_an_update_that_changes_nothing() -> None:
    assert LITE.change(app(), app(), works=True, is_configured=True) is ComponentChange.REINSTALL
    assert CLASSIC.change(app(), app(), works=True, is_configured=True) is ComponentChange.NONE


@pytest.mark.parametrize(
    ("steps", "change"),
    [
        ({"run": "run {configuration:/level}"}, ComponentChange.RESTART),
        ({"run": "run", "setenv": {"LEVEL": "{configuration:/level}"}}, ComponentChange.RESTART),
        ({"run": "run", "install": "set {configuration:/level}"}, ComponentChange.REINSTALL),
        ({"run": "run", "shutdown": "end {configuration:/level}"}, ComponentChange.NONE),
        ({"run": "run {configuration:/other}"}, ComponentChange.NONE),
    ],
)
def test_classic_restarts_for_a_configuration_that_the_lifecycle_uses(
    steps: dict[str, Any], change: ComponentChange
) -> None:
    before = app(configuration={"level": 1}, definition=recipe(**steps))
    after = app(configuration={"level": 2}, definition=recipe(**steps))
    assert CLASSIC.change(before, after, works=True, is_configured=True) is change


def test_classic_restarts_a_function_for_its_environment_and_not_for_its_policies() -> None:
    function = {
        "ComponentType": "aws.greengrass.lambda",
        "Manifests": [{"Platform": {}, "Lifecycle": {}}],
        "Lifecycle": {"setenv": {"PARAMS": "{configuration:/lambdaExecutionParameters}"}},
    }
    parameters = {"lambdaExecutionParameters": {"EnvironmentVariables": {"A": "1"}}}
    before = app(configuration={}, definition=function)
    assert CLASSIC.start_of(function) is StartType.LAMBDA
    changed = app(configuration=parameters, definition=function)
    assert (
        CLASSIC.change(before, changed, works=True, is_configured=True) is ComponentChange.RESTART
    )
    policies = app(configuration=ACCESS, definition=function)
    assert CLASSIC.change(before, policies, works=True, is_configured=True) is ComponentChange.NONE


@pytest.mark.parametrize(
    ("kind", "before", "after", "restarts"),
    [
        ("aws.greengrass.plugin", None, "1.0.0", False),
        ("aws.greengrass.plugin", "1.0.0", "1.0.0", False),
        ("aws.greengrass.plugin", "1.0.0", "2.0.0", True),
        ("aws.greengrass.plugin", "1.0.0", None, True),
        ("aws.greengrass.nucleus", "1.0.0", "2.0.0", True),
        ("aws.greengrass.generic", "1.0.0", "2.0.0", False),
        ("aws.greengrass.generic", "1.0.0", None, False),
    ],
)
def test_another_version_or_the_removal_of_a_plugin_restarts_the_classic_nucleus(
    kind: str, before: str | None, after: str | None, *, restarts: bool
) -> None:
    definition = recipe(kind=kind)
    running = {"app": app(before, definition=definition)} if before else {}
    desired = {"app": app(after, definition=definition)} if after else {}
    assert CLASSIC.restarts(running, desired) is restarts
    assert not LITE.restarts(running, desired)


def test_a_bootstrap_step_restarts_the_classic_nucleus_when_it_is_new_or_changes() -> None:
    step = recipe(bootstrap="prepare {configuration:/a}", run="run")
    first = {"app": app(definition=step, configuration={"a": 1})}
    second = {"app": app(definition=step, configuration={"a": 2})}
    assert CLASSIC.bootstrap_names({}, first) == ["app"]
    assert CLASSIC.bootstrap_names(first, second) == ["app"]
    assert CLASSIC.bootstrap_names(first, first) == []
    assert CLASSIC.restarts({}, first)
    assert not CLASSIC.restarts(first, first)


@pytest.mark.parametrize(
    ("steps", "classic", "lite"),
    [
        ({"run": "x"}, StartType.RUN, StartType.RUN),
        ({"startup": "x"}, StartType.STARTUP, StartType.NOTIFY),
        ({"startup": "x", "run": "y"}, StartType.STARTUP, StartType.NOTIFY),
        ({"install": "x"}, StartType.NOTHING, StartType.NO_UNIT),
        ({"run": ""}, StartType.NOTHING, StartType.NO_UNIT),
    ],
)
def test_a_component_starts_by_the_steps_that_it_has(
    steps: dict[str, Any], classic: StartType, lite: StartType
) -> None:
    assert CLASSIC.start_of(recipe(**steps)) is classic
    assert LITE.start_of(recipe(**steps)) is lite


def test_lite_reads_keys_in_their_own_case_only() -> None:
    step = {"Script": "x", "Timeout": 7, "Setenv": {"A": "1"}}
    read = {"script": "x", "timeout": 7, "setenv": {"A": "1", "B": "2"}}
    shared = {"Setenv": {"B": "2"}}
    assert LITE.raw_step(recipe(run=step, **shared), "run") == read
    assert CLASSIC.raw_step(recipe(run=step, **shared), "run") == read
    lower = {"script": "x"}
    assert LITE.raw_step(recipe(run=lower), "run") is None
    assert CLASSIC.raw_step(recipe(RUN=lower), "run") == {"script": "x", "setenv": {}}


@pytest.mark.parametrize(
    ("platform", "classic", "lite"),
    [
        ({}, True, False),
        ({"os": "linux"}, True, False),
        ({"os": "linux", "runtime": "*"}, True, True),
        ({"runtime": "aws_nucleus_lite"}, False, True),
        ({"runtime": "aws_nucleus_classic"}, True, False),
        ({"runtime": "*", "architecture": "sparc"}, False, False),
    ],
)
def test_lite_skips_manifests_without_a_runtime(
    platform: dict[str, str], *, classic: bool, lite: bool
) -> None:
    definition = {"Manifests": [{"Platform": platform}]}
    assert (CLASSIC.own_manifest(definition) is not None) is classic
    assert (LITE.own_manifest(definition) is not None) is lite


component_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
plain_versions = st.tuples(*[st.integers(0, 999_999)] * 3).map(
    lambda numbers: ".".join(map(str, numbers))
)


@BOTH
@given(component_names, plain_versions)
def test_the_name_of_a_stored_recipe_is_read_as_it_was_written(
    kind: Kind, name: str, version: str
) -> None:
    nucleus = NUCLEI[kind]
    file = nucleus.recipe_file(Layout(Path("/x")), name, version)
    assert nucleus.parse_recipe_file(file.name) == (name, version)


def test_lite_reads_a_version_with_a_hyphen_as_another_component() -> None:
    version = "1.0.0-sha256-abc"
    assert LITE.parse_recipe_file(f"app-{version}.json") == ("app-1.0.0-sha256", "abc")
    assert CLASSIC.parse_recipe_file(f"app@{version}.recipe.json") == ("app", version)


def test_only_classic_rolls_back_and_only_if_it_is_asked_to() -> None:
    asked, unasked = {"failureHandlingPolicy": "ROLLBACK"}, {"failureHandlingPolicy": "DO_NOTHING"}
    assert CLASSIC.rolls_back(asked)
    assert not CLASSIC.rolls_back(unasked)
    assert not LITE.rolls_back(asked)
    assert CLASSIC.failure_status(changed=False) == "FAILED_NO_STATE_CHANGE"
    for changed in (False, True):
        assert LITE.failure_status(changed=changed) == "FAILED_ROLLBACK_NOT_REQUESTED"


@given(st.dictionaries(st.sampled_from(["cause", "stack"]), st.text(max_size=3000)))
def test_each_detail_of_a_job_has_at_most_1024_characters_and_lite_reports_none(
    details: dict[str, str],
) -> None:
    cut = {key: text[:1024] for key, text in details.items()}
    assert CLASSIC.job_details(details) == {"statusDetails": cut}
    assert LITE.job_details(details) == {}


@pytest.mark.parametrize("status", ["NEW", "RUNNING", "FINISHED", "ERRORED", "BROKEN"])
def test_only_classic_reports_details_and_only_of_errors(status: str) -> None:
    component = Reported("app", "1.0.0", status, ("arn",), codes=("RUN_ERROR",), reason="why")
    entry = CLASSIC.component_entry(component)
    details = {"statusCodes": ["RUN_ERROR"], "statusReason": "why"}
    is_error = status in {"ERRORED", "BROKEN"}
    assert entry.get("componentStatusDetails") == (details if is_error else None)
    assert LITE.component_entry(component) == {
        "componentName": "app",
        "version": "1.0.0",
        "fleetConfigArns": ["arn"],
        "isRoot": True,
        "status": status,
    }


def test_a_removed_component_is_uninstalled_on_lite_and_keeps_its_last_state_on_classic() -> None:
    removed = Reported("app", "1.0.0", "FINISHED", is_removed=True)
    expected = {"componentName": "app", "fleetConfigArns": []}
    assert LITE.component_entry(removed) == {
        **expected, "version": "", "isRoot": True, "status": "UNINSTALLED",
    }  # fmt: skip
    assert CLASSIC.component_entry(removed) == {
        **expected, "version": "1.0.0", "isRoot": False, "status": "FINISHED",
    }  # fmt: skip


def test_classic_reports_errors_and_lite_every_lasting_status() -> None:
    definition = {
        status: (
            CLASSIC.trigger(status, deploying=False),
            CLASSIC.trigger(status, deploying=True),
            LITE.trigger(status, deploying=False),
            LITE.trigger(status, deploying=True),
        )
        for status in ("STARTING", "RUNNING", "ERRORED", "BROKEN")
    }
    change = "COMPONENT_STATUS_CHANGE"
    assert definition == {
        "STARTING": (None, None, None, None),
        "RUNNING": (None, None, change, None),
        "ERRORED": ("ERRORED_COMPONENT", "ERRORED_COMPONENT", change, None),
        "BROKEN": ("BROKEN_COMPONENT", None, change, None),
    }


def test_credentials_need_the_service_on_classic_and_the_dependency_on_lite() -> None:
    service = "aws.greengrass.TokenExchangeService"
    plain, depends = recipe(run="x"), {**recipe(run="x"), "ComponentDependencies": {service: {}}}
    assert CLASSIC.passes_credentials(plain, {"app", service})
    assert not CLASSIC.passes_credentials(depends, {"app"})
    assert LITE.passes_credentials(depends, {"app"})
    assert not LITE.passes_credentials(plain, {"app", service})


def test_the_timeout_of_a_run_step_ends_it_on_classic_and_its_stop_on_lite() -> None:
    assert CLASSIC.run_limits(7.0) == (7.0, 5.0)
    assert CLASSIC.run_limits(None) == (None, 5.0)
    assert LITE.run_limits(7.0) == (None, 7.0)
    assert LITE.run_limits(None) == (None, 120.0)


def test_folders_of_lite_end_with_a_slash() -> None:
    assert f"{LITE.folder(Path('/a/1.0.0'))}/model.zip" == "/a/1.0.0//model.zip"
    assert f"{CLASSIC.folder(Path('/a/1.0.0'))}/model.zip" == "/a/1.0.0/model.zip"


def test_only_lite_starts_finished_soft_dependencies_again() -> None:
    definition = {"ComponentDependencies": {"a": {"DependencyType": "SOFT"}, "b": {}}}
    assert LITE.started_along(definition) == {"a"}
    assert CLASSIC.started_along(definition) == set()
    assert CLASSIC.bound_to(definition) == {"b"}
    assert LITE.bound_to(definition) == set()
