"""A deployment on the device: resolution, download and update of its components."""

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_aws.core_device import artifact_store, lifecycle
from local_aws.core_device.component import Host, InstalledComponent
from local_aws.core_device.configuration import updated
from local_aws.core_device.data_plane import DataPlane
from local_aws.core_device.errors import NO_VERSION, REJECTED, DeploymentFailed
from local_aws.core_device.update_plan import ComponentChange, in_order

logger = logging.getLogger(__name__)

Document = dict[str, Any]
# Maps each target to the components in its deployment document, with configuration updates.
Roots = dict[str, dict[str, Any]]


@dataclass
class DeployedComponents:
    """The components on the device, and the deployments that contain them.

    Attributes:
        running: the components, by name.
        roots: for each target, the components that its deployment names.
        arns: for each target, the configuration ARN of its deployment.
    """

    running: dict[str, InstalledComponent] = field(default_factory=dict)
    roots: Roots = field(default_factory=dict)
    arns: dict[str, str] = field(default_factory=dict)

    def origin(self, name: str) -> tuple[tuple[str, ...], bool]:
        """Return the ARNs of a component's deployments, and whether the component is a root."""
        arns = {
            self.arns[target]
            for target, named in self.roots.items()
            if target in self.arns and name in self._closure(named)
        }
        return tuple(sorted(arns)), any(name in named for named in self.roots.values())

    def to_json(self) -> dict[str, Any]:
        """Return the record from which the core restores the components at its next start."""
        return {
            "arns": self.arns,
            "roots": self.roots,
            "components": [component.to_json() for component in self.running.values()],
        }

    def restore(self, saved: Mapping[str, Any]) -> dict[str, InstalledComponent]:
        """Restore the deployments from a record, and return the components of the record."""
        components = {
            record["name"]: InstalledComponent(**record) for record in saved["components"]
        }
        self.roots = dict(saved.get("roots", {}))
        # Records of earlier versions have no ARNs.
        self.arns = dict(saved.get("arns", {}))
        return components

    def _closure(self, names: Iterable[str]) -> set[str]:
        closure: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in closure and name in self.running:
                closure.add(name)
                pending += self.running[name].recipe.get("ComponentDependencies") or {}
        return closure


def target_of(document: Document) -> str:
    """Return the target of a deployment; a subdeployment has the target of its parent."""
    arn: str = document.get("onBehalfOf") or document["configurationArn"]
    return arn.partition(":configuration:")[2].rpartition(":")[0] or arn.rpartition(":")[2]


async def fetch(
    cloud: DataPlane, host: Host, deployed: DeployedComponents, document: Document
) -> tuple[Roots, dict[str, InstalledComponent]]:
    """Resolve and download the components of all deployments; running components do not change.

    The result contains the roots of all targets, and the components by name.

    Raises:
        DeploymentFailed: the nucleus rejects the document, or a version does not exist, does not
            fit the device, or cannot be downloaded.
    """
    _check_document(host, document)
    target = target_of(document)
    groups = {f"thinggroup/{name}" for name in await asyncio.to_thread(cloud.thing_groups)}
    roots = {
        deployed_target: named
        for deployed_target, named in deployed.roots.items()
        if deployed_target in groups or not deployed_target.startswith("thinggroup/")
    } | {target: document["components"]}
    recipes = await asyncio.to_thread(_resolve, cloud, roots)
    fetched = {}
    for recipe in recipes:
        await _download(cloud, host, recipe)
        update = document["components"].get(recipe["ComponentName"], {})
        fetched[recipe["ComponentName"]] = _configured(host, recipe, update)
    for component in fetched.values():
        component.dependencies = {
            name: fetched[name].version
            for name in component.recipe.get("ComponentDependencies") or {}
            if name in fetched
        }
    return roots, fetched


async def switch(
    host: Host, desired: dict[str, InstalledComponent], configured: Iterable[str] = ()
) -> None:
    """Update the device to the desired components, in the order that its nucleus plans.

    Args:
        host: the core; its `running` components are updated.
        desired: the components of all deployments.
        configured: the names of components that the deployment updates with `configurationUpdate`.

    Raises:
        DeploymentFailed: a component failed; `host.running` contains the components on the device.
    """
    nucleus, running = host.nucleus, host.running
    before = {name: component.deployable for name, component in running.items()}
    after = {name: component.deployable for name, component in desired.items()}
    if nucleus.restarts(before, after):
        await _relaunch(host, desired)
        return
    changes = {
        name: nucleus.change(
            before.get(name),
            component,
            works=name in running and running[name].works,
            is_configured=name in set(configured),
        )
        for name, component in after.items()
    }
    plan = nucleus.plan(
        {name: component.recipe for name, component in running.items()},
        {name: component.recipe for name, component in desired.items()},
        changes,
    )
    for name, component in running.items():
        component.starts.clear()
        if changes.get(name) is ComponentChange.NONE:
            # The process continues with its old environment, but changed IPC policies apply
            # immediately.
            component.configuration = desired[name].configuration
            component.dependencies = desired[name].dependencies
    for action in plan.actions:
        if action.verb == "stop":
            stopped = running.pop(action.name)
            await lifecycle.stop(stopped, host)
            logger.info("stopped %s", stopped.title)
        elif action.verb == "install":
            running.setdefault(action.name, desired[action.name])
            await lifecycle.install(desired[action.name], host)
        else:
            running[action.name] = desired[action.name]
            await lifecycle.start(desired[action.name], host)
            logger.info("started %s", desired[action.name].title)
    await lifecycle.wait_until_settled(host, desired)
    for name in plan.removed:
        await _remove(host, running[name])


async def resume(host: Host, saved: dict[str, InstalledComponent]) -> None:
    """Start the components of the last deployment after a start of the core.

    If a component fails, the error is logged and the other components start.
    """
    host.running.update(saved)
    for name in in_order({name: component.recipe for name, component in saved.items()}):
        component = saved[name]
        try:
            if host.nucleus.installs_at_launch:
                await lifecycle.install(component, host)
            await lifecycle.start(component, host)
        except DeploymentFailed as error:
            logger.error("not started: %s", error)  # noqa: TRY400 - the message contains the cause


def snapshot(running: Mapping[str, InstalledComponent]) -> dict[str, InstalledComponent]:
    """Return copies of the components, for a rollback."""
    return {name: InstalledComponent(**component.to_json()) for name, component in running.items()}


async def _relaunch(host: Host, desired: dict[str, InstalledComponent]) -> None:
    """Restart the nucleus: stop all components, run bootstrap steps, and start all components."""
    running = host.running
    before = {name: component.deployable for name, component in running.items()}
    after = {name: component.deployable for name, component in desired.items()}
    logger.info("the core restarts for this deployment")
    for name in reversed(in_order({name: old.recipe for name, old in running.items()})):
        await lifecycle.stop(running[name], host)
    stopped = dict(running)
    # No component is running any longer, so a rollback after a failed bootstrap step starts all
    # components.
    running.clear()
    for name in host.nucleus.bootstrap_names(before, after):
        await lifecycle.bootstrap(desired[name], host)
    for name in sorted(stopped.keys() - desired.keys()):
        await _remove(host, stopped[name])
    running.update(desired)
    host.launched()
    for name in in_order({name: new.recipe for name, new in desired.items()}):
        await lifecycle.install(desired[name], host)
        await lifecycle.start(desired[name], host)
    await lifecycle.wait_until_settled(host, desired)


async def _remove(host: Host, component: InstalledComponent) -> None:
    await lifecycle.remove(component, host)
    host.running.pop(component.name, None)
    host.removed(component)
    logger.info("removed %s", component.title)


def _check_document(host: Host, document: Document) -> None:
    components = document.get("components")
    if (
        not isinstance(document.get("configurationArn"), str)
        or not isinstance(components, dict)
        or not all(
            isinstance(component, dict) and isinstance(component.get("version"), str)
            for component in components.values()
        )
    ):
        raise DeploymentFailed(
            "the job document is not a deployment: expected a configurationArn, and components "
            "with a version each",
            REJECTED,
        )
    limit = host.nucleus.longest_document_bytes
    size = len(json.dumps(document, separators=(",", ":")).encode())
    if limit is not None and size > limit:
        raise DeploymentFailed(
            f"the job document has {size} bytes: nucleus {host.nucleus.kind} reads {limit} at most",
            REJECTED,
        )
    if host.nucleus.needs_posix_user and not host.identity.posix_user:
        raise DeploymentFailed(
            "runWithDefault.posixUser is missing in the device's configuration; nucleus lite needs "
            "it, for example gg_component:gg_component",
            REJECTED,
        )


def _resolve(cloud: DataPlane, roots: Roots) -> list[dict[str, Any]]:
    """Resolve the roots and their dependencies until no requirement changes; return the recipes."""
    requirements: dict[str, dict[str, str]] = {}
    for target, named in roots.items():
        for name, root in named.items():
            requirements.setdefault(name, {})[target] = f"={root['version']}"
    while True:
        recipes = cloud.resolve(requirements) if requirements else []
        before = json.dumps(requirements, sort_keys=True)
        for recipe in recipes:
            for name, rule in (recipe.get("ComponentDependencies") or {}).items():
                by_source = requirements.setdefault(name, {})
                by_source[recipe["ComponentName"]] = rule.get("VersionRequirement", "*")
        if json.dumps(requirements, sort_keys=True) == before:
            return recipes


async def _download(cloud: DataPlane, host: Host, recipe: dict[str, Any]) -> None:
    name, version = recipe["ComponentName"], recipe["ComponentVersion"]
    layout, nucleus = host.layout, host.nucleus
    manifest = nucleus.own_manifest(recipe)
    if manifest is None:
        raise DeploymentFailed(
            f"{name} {version} has no manifest for this device: nucleus {nucleus.kind} needs one "
            f"whose platform has the runtime '*' or {nucleus.runtime!r}",
            NO_VERSION,
        )
    text = json.dumps({key: value for key, value in recipe.items() if key != "arn"})
    limit = nucleus.longest_recipe_bytes
    if limit is not None and len(text.encode()) > limit:
        raise DeploymentFailed(
            f"the recipe of {name} {version} has {len(text.encode())} bytes: nucleus "
            f"{nucleus.kind} deploys {limit} at most",
            REJECTED,
        )
    for artifact in manifest.get("Artifacts") or []:
        file = await asyncio.to_thread(
            artifact_store.fetch,
            artifact,
            layout.artifacts(name, version),
            layout.unarchived(name, version),
            lambda uri: cloud.open_artifact(recipe["arn"], uri),
        )
        logger.info("%s %s: %s, digest ok", name, version, file.name)
    path = nucleus.recipe_file(layout, name, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(recipe, indent=1), encoding="utf-8")


def _configured(host: Host, recipe: dict[str, Any], desired: dict[str, Any]) -> InstalledComponent:
    name, version = recipe["ComponentName"], recipe["ComponentVersion"]
    current = host.running.get(name)
    defaults = (recipe.get("ComponentConfiguration") or {}).get("DefaultConfiguration", {})
    configuration = updated(
        defaults, current.configuration if current else None, desired.get("configurationUpdate", {})
    )
    return InstalledComponent(name, version, recipe, configuration)
