"""A deployment on the device: what is wanted is resolved, fetched, and switched to, or undone."""

import asyncio
import graphlib
import json
import logging
from dataclasses import dataclass, field
from typing import Any

from local_aws.core_device import components, store
from local_aws.core_device.cloud import DeviceCloud
from local_aws.core_device.components import Component, Host
from local_aws.core_device.configuration import updated
from local_aws.core_device.errors import NO_VERSION, DeploymentFailed
from local_aws.core_device.platforms import own_manifest

logger = logging.getLogger(__name__)

Document = dict[str, Any]
# By target: the components that its deployment names, with their configuration updates.
Roots = dict[str, dict[str, Any]]


@dataclass
class Deployed:
    """What runs on the device, and which targets asked for it."""

    running: dict[str, Component] = field(default_factory=dict)
    roots: Roots = field(default_factory=dict)
    document: Document = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Write it for the next start."""
        return {
            "deployment": self.document,
            "roots": self.roots,
            "components": [
                {
                    "name": one.name,
                    "version": one.version,
                    "recipe": one.recipe,
                    "configuration": one.configuration,
                }
                for one in self.running.values()
            ],
        }


def target_of(document: Document) -> str:
    """Tell whose components a deployment sets: a subdeployment acts on behalf of its parent."""
    arn: str = document.get("onBehalfOf") or document["configurationArn"]
    return arn.partition(":configuration:")[2].rpartition(":")[0] or arn.rpartition(":")[2]


async def fetch(
    cloud: DeviceCloud, host: Host, deployed: Deployed, document: Document
) -> tuple[Roots, dict[str, Component]]:
    """Find and download everything; nothing that runs is touched.

    Raises:
        DeploymentFailed: a version does not exist, does not fit, or cannot be downloaded.
    """
    target = target_of(document)
    groups = {f"thinggroup/{name}" for name in await asyncio.to_thread(cloud.thing_groups)}
    roots = {
        one: wanted
        for one, wanted in deployed.roots.items()
        if one in groups or not one.startswith("thinggroup/")
    } | {target: document["components"]}
    recipes = await asyncio.to_thread(_resolve, cloud, roots)
    fetched = {}
    for recipe in recipes:
        await _download(cloud, host, recipe)
        update = document["components"].get(recipe["ComponentName"], {})
        fetched[recipe["ComponentName"]] = _configured(deployed, recipe, update)
    return roots, fetched


async def switch(host: Host, running: dict[str, Component], wanted: dict[str, Component]) -> None:
    """Stop what goes or changes, install and start what is new; keep the rest running.

    A component that does not work is installed and started again, even if its version and
    configuration are the same, as the nucleus does (`reinstallBrokenServices`).

    Raises:
        DeploymentFailed: a step of a component failed; `running` is what is there now.
    """
    changed = _changed(running, wanted)
    new = {name for name in changed if not _stays(running.get(name), wanted[name])}
    for name in reversed(_in_order(running)):
        if name not in wanted or name in changed:
            component = running.pop(name)
            await components.stop(component)
            logger.info("stopped %s %s", name, component.version)
    for name in _in_order(wanted):
        if name in changed:
            component = running[name] = wanted[name]
            if name in new:
                await components.install(component, host, wanted)
            await components.start(component, host, wanted)
            logger.info("started %s %s", name, component.version)


def _resolve(cloud: DeviceCloud, roots: Roots) -> list[dict[str, Any]]:
    """Resolve the roots and what they depend on, until no requirement is new."""
    requirements: dict[str, dict[str, str]] = {}
    for target, wanted in roots.items():
        for name, one in wanted.items():
            requirements.setdefault(name, {})[target] = f"={one['version']}"
    while True:
        recipes = cloud.resolve(requirements) if requirements else []
        before = json.dumps(requirements, sort_keys=True)
        for recipe in recipes:
            for name, rule in recipe.get("ComponentDependencies", {}).items():
                by = requirements.setdefault(name, {})
                by[recipe["ComponentName"]] = rule.get("VersionRequirement", "*")
        if json.dumps(requirements, sort_keys=True) == before:
            return recipes


async def _download(cloud: DeviceCloud, host: Host, recipe: dict[str, Any]) -> None:
    name, version = recipe["ComponentName"], recipe["ComponentVersion"]
    layout = host.layout
    for artifact in own_manifest(recipe).get("Artifacts", []):
        file = await asyncio.to_thread(
            store.fetch,
            artifact,
            layout.artifacts(name, version),
            layout.unarchived(name, version),
            lambda uri: cloud.open_artifact(recipe["arn"], uri),
        )
        logger.info("%s %s: %s, digest ok", name, version, file.name)
    path = layout.recipe(name, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(recipe, indent=1), encoding="utf-8")


def _configured(deployed: Deployed, recipe: dict[str, Any], wanted: dict[str, Any]) -> Component:
    name, version = recipe["ComponentName"], recipe["ComponentVersion"]
    known = deployed.running.get(name)
    defaults = recipe.get("ComponentConfiguration", {}).get("DefaultConfiguration", {})
    configuration = updated(
        defaults, known.configuration if known else None, wanted.get("configurationUpdate", {})
    )
    return Component(name, version, recipe, configuration)


def _changed(running: dict[str, Component], wanted: dict[str, Component]) -> set[str]:
    """Name what starts anew: what differs, and what depends on it, hard, at any distance."""
    changed: set[str] = set()
    for name in _in_order(wanted):
        component = wanted[name]
        rules = component.recipe.get("ComponentDependencies", {})
        restarts = any(
            other in changed and rule.get("DependencyType", "HARD") == "HARD"
            for other, rule in rules.items()
        )
        if restarts or not _stays(running.get(name), component):
            changed.add(name)
    return changed


def _stays(running: Component | None, wanted: Component) -> bool:
    return running is not None and running.works and wanted.same_as(running)


def _in_order(found: dict[str, Component]) -> list[str]:
    """Sort names so that each comes after what it depends on."""
    graph = {
        name: sorted(set(found[name].recipe.get("ComponentDependencies", {})) & found.keys())
        for name in sorted(found)
    }
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        cycle = " → ".join(error.args[1])
        raise DeploymentFailed(f"components depend on each other: {cycle}", NO_VERSION) from None
