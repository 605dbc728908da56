"""The order of the stop, install and start actions in an update.

Sources: aws-greengrass-nucleus, DefaultActivator and GreengrassService; aws-greengrass-lite,
ggdeploymentd and recipe2unit.
"""

import graphlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from local_aws.core_device.errors import NO_VERSION, DeploymentFailed

Recipe = Mapping[str, Any]


class ComponentChange(Enum):
    """The effect of a deployment on one component."""

    NONE = "none"
    RESTART = "restart"
    REINSTALL = "reinstall"


@dataclass(frozen=True)
class UpdateAction:
    """One action of an update; `start` and `install` apply to the new version."""

    verb: Literal["stop", "install", "start"]
    name: str


@dataclass(frozen=True)
class UpdatePlan:
    """The actions of an update, and the components to remove after all actions succeeded."""

    actions: tuple[UpdateAction, ...]
    removed: tuple[str, ...]


def dependency_types(recipe: Recipe, default: str | None) -> dict[str, str | None]:
    """Return the type of each dependency, HARD or SOFT; `default` if a dependency has no type."""
    rules = recipe.get("ComponentDependencies") or {}
    return {name: rule.get("DependencyType", default) for name, rule in rules.items()}


def hard_dependencies(recipe: Recipe, default: str | None) -> set[str]:
    """Return the names of a recipe's HARD dependencies; `default` is the type if none is given."""
    return {name for name, kind in dependency_types(recipe, default).items() if kind == "HARD"}


def classic_plan(
    running: Mapping[str, Recipe],
    desired: Mapping[str, Recipe],
    changes: Mapping[str, ComponentChange],
) -> UpdatePlan:
    """Return the update plan of the classic nucleus.

    Changed components are replaced in the order of the HARD dependencies. A component also restarts
    if one of its HARD dependencies is replaced or restarts. Removed components stop after all
    actions for the others.
    """
    order = in_order(desired)
    effective: dict[str, ComponentChange] = {}
    for name in order:
        own = changes[name]
        restarts = any(
            effective.get(other, ComponentChange.NONE) is not ComponentChange.NONE
            for other in hard_dependencies(desired[name], "HARD")
        )
        effective[name] = (
            ComponentChange.RESTART if own is ComponentChange.NONE and restarts else own
        )
    actions: list[UpdateAction] = []
    stopped: set[str] = set()
    for name in order:
        if effective[name] is ComponentChange.NONE:
            continue
        for other in [name, *_dependents(name, desired, order)]:
            if other in running and other not in stopped:
                stopped.add(other)
                actions.append(UpdateAction("stop", other))
        if effective[name] is ComponentChange.REINSTALL:
            actions.append(UpdateAction("install", name))
        actions.append(UpdateAction("start", name))
    removed = [name for name in reversed(in_order(running)) if name not in desired]
    return UpdatePlan(tuple(actions), tuple(removed))


def lite_plan(
    running: Mapping[str, Recipe],
    desired: Mapping[str, Recipe],
    changes: Mapping[str, ComponentChange],
) -> UpdatePlan:
    """Return the update plan of nucleus lite.

    All install steps end before the first component stops. Units with a HARD dependency on a
    changed component stop before all changed components, and start again last. Removed components
    stop at the end.
    """
    order = in_order(desired, default=None)
    changed = [name for name in order if changes[name] is not ComponentChange.NONE]
    bound = [
        name
        for name in order
        if name in running
        and name not in changed
        and hard_dependencies(desired[name], None) & set(changed) & running.keys()
    ]
    actions = [UpdateAction("install", name) for name in changed]
    actions += [UpdateAction("stop", name) for name in bound]
    for name in changed:
        if name in running:
            actions.append(UpdateAction("stop", name))
        actions.append(UpdateAction("start", name))
    actions += [UpdateAction("start", name) for name in bound]
    return UpdatePlan(tuple(actions), tuple(sorted(running.keys() - desired.keys())))


def in_order(recipes: Mapping[str, Recipe], default: str | None = "HARD") -> list[str]:
    """Return the component names; the name of a component follows those of its HARD dependencies.

    Args:
        recipes: the recipes by component name.
        default: the type of a dependency without a type.

    Raises:
        DeploymentFailed: components depend on each other.
    """
    graph = {
        name: sorted(hard_dependencies(recipes[name], default) & recipes.keys())
        for name in sorted(recipes)
    }
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        cycle = " → ".join(error.args[1])
        raise DeploymentFailed(f"components depend on each other: {cycle}", NO_VERSION) from None


def _dependents(name: str, recipes: Mapping[str, Recipe], order: Iterable[str]) -> list[str]:
    """Return the components with direct or indirect HARD dependencies on a component."""
    dependents: list[str] = []
    for other in order:
        if hard_dependencies(recipes[other], "HARD") & {name, *dependents}:
            dependents.append(other)
    return dependents
