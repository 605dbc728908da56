"""An update plan has the order of steps of the device's nucleus."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.core_device.device import NUCLEI
from local_aws.core_device.errors import DeploymentFailed
from local_aws.core_device.update_plan import (
    ComponentChange,
    UpdateAction,
    UpdatePlan,
    classic_plan,
    hard_dependencies,
    in_order,
    lite_plan,
)

NONE, RESTART, REINSTALL = ComponentChange.NONE, ComponentChange.RESTART, ComponentChange.REINSTALL
NAMES = "abcdef"


def recipe(**kinds: str | None) -> dict[str, Any]:
    """Return a recipe with dependencies of these types; for None, the type is absent."""
    return {
        "ComponentDependencies": {
            name: {} if kind is None else {"DependencyType": kind} for name, kind in kinds.items()
        }
    }


def verbs(plan: UpdatePlan) -> list[str]:
    return [f"{action.verb} {action.name}" for action in plan.actions]


def test_classic_starts_new_components_before_removed_ones_stop() -> None:
    plan = classic_plan({"old": recipe()}, {"new": recipe()}, {"new": REINSTALL})
    assert verbs(plan) == ["install new", "start new"]
    assert plan.removed == ("old",)


def test_classic_replaces_a_component_after_what_it_depends_on() -> None:
    recipes = {"app": recipe(base="HARD"), "base": recipe()}
    changes = {"app": REINSTALL, "base": REINSTALL}
    assert verbs(classic_plan(recipes, recipes, changes)) == [
        "stop base", "stop app", "install base", "start base", "install app", "start app",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["HARD", None])
def test_classic_restarts_the_dependents_of_a_restarted_component(kind: str | None) -> None:
    recipes = {"top": recipe(app=kind), "app": recipe(base=kind), "base": recipe()}
    changes = {"top": NONE, "app": NONE, "base": RESTART}
    assert verbs(classic_plan(recipes, recipes, changes)) == [
        "stop base", "stop app", "stop top", "start base", "start app", "start top",
    ]  # fmt: skip


def test_classic_neither_restarts_nor_waits_for_a_soft_dependency() -> None:
    recipes = {"app": recipe(base="SOFT"), "base": recipe()}
    changes = {"app": NONE, "base": REINSTALL}
    assert verbs(classic_plan(recipes, recipes, changes)) == [
        "stop base", "install base", "start base",
    ]  # fmt: skip
    circle = {"a": recipe(b="SOFT"), "b": recipe(a="SOFT")}
    assert in_order(circle) == ["a", "b"]


def test_lite_installs_everything_before_anything_stops() -> None:
    running = {"a": recipe(), "b": recipe(), "gone": recipe()}
    desired = {"a": recipe(), "b": recipe(), "c": recipe()}
    plan = lite_plan(running, desired, dict.fromkeys(desired, REINSTALL))
    assert verbs(plan) == [
        "install a", "install b", "install c",
        "stop a", "start a", "stop b", "start b", "start c",
    ]  # fmt: skip
    assert plan.removed == ("gone",)


def test_lite_restarts_a_bound_unit_without_its_install_step() -> None:
    recipes = {"app": recipe(base="HARD"), "other": recipe(base=None), "base": recipe()}
    changes = {"app": NONE, "other": NONE, "base": REINSTALL}
    assert verbs(lite_plan(recipes, recipes, changes)) == [
        "install base", "stop app", "stop base", "start base", "start app",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["HARD", None])
def test_components_that_depend_on_each_other_are_named(kind: str | None) -> None:
    recipes = {"a": recipe(b=kind), "b": recipe(a=kind)}
    with pytest.raises(DeploymentFailed, match=r"a → b → a|b → a → b"):
        classic_plan({}, recipes, dict.fromkeys(recipes, REINSTALL))


@st.composite
def updates(
    draw: st.DrawFn,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, ComponentChange]]:
    """Draw running and desired components without dependency cycles, and the changes."""
    types = st.sampled_from(["HARD", "SOFT", None])

    def drawn() -> dict[str, Any]:
        names = sorted(draw(st.sets(st.sampled_from(NAMES))))
        return {
            name: recipe(**{
                other: draw(types) for other in names[:position] if draw(st.booleans())
            })
            for position, name in enumerate(names)
        }  # fmt: skip

    running, desired = drawn(), drawn()
    changes = {
        name: draw(st.sampled_from(list(ComponentChange))) if name in running else REINSTALL
        for name in desired
    }
    return running, desired, changes


@pytest.mark.parametrize("kind", ["classic", "lite"])
@given(updates())
def test_an_update_changes_what_it_must_and_ends_with_the_desired_components(
    kind: Any, update: tuple[dict[str, Any], dict[str, Any], dict[str, ComponentChange]]
) -> None:
    running, desired, changes = update
    plan = NUCLEI[kind].plan(running, desired, changes)
    up = set(running)
    installed: set[str] = set()
    for action in plan.actions:
        assert_possible(action, up, installed, changes)
        {"stop": up.discard, "start": up.add, "install": installed.add}[action.verb](action.name)
    assert up - set(plan.removed) == set(desired)
    assert set(plan.removed) == running.keys() - desired.keys()
    assert len(plan.actions) == len(set(plan.actions))
    must = {name for name, change in changes.items() if change is not NONE}
    assert must <= {action.name for action in plan.actions if action.verb == "start"}


def assert_possible(
    action: UpdateAction, up: set[str], installed: set[str], changes: Mapping[str, ComponentChange]
) -> None:
    """Check that a component to stop runs, and a component to start is installed and stopped."""
    if action.verb == "stop":
        assert action.name in up
    elif action.verb == "start":
        assert action.name not in up
        assert changes[action.name] is not REINSTALL or action.name in installed


@given(updates())
def test_classic_starts_a_component_after_its_hard_dependencies(
    update: tuple[dict[str, Any], dict[str, Any], dict[str, ComponentChange]],
) -> None:
    running, desired, changes = update
    plan = classic_plan(running, desired, changes)
    started = [action.name for action in plan.actions if action.verb == "start"]
    for position, name in enumerate(started):
        later = set(started[position + 1 :])
        assert not hard_dependencies(desired[name], "HARD") & later


@given(updates())
def test_lite_finishes_all_install_steps_first(
    update: tuple[dict[str, Any], dict[str, Any], dict[str, ComponentChange]],
) -> None:
    order = [action.verb != "install" for action in lite_plan(*update).actions]
    assert order == sorted(order)
