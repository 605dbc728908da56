"""Compare deployments to cameras: components, downloads and restarts.

Rules of AWS IoT Greengrass V2: a component restarts when its version or configuration changes, and
when one of its hard dependencies changes. A component that a deployment omits is removed. A change
of the nucleus restarts the core software with all components. A change or removal of the Lambda
manager does the same, because the manager is a plugin in the nucleus.
Source: developer guide, "Lambda manager"; aws-greengrass-nucleus, BootstrapManager.java.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from deeplens.assembly import Environment, Resource, Stack
from deeplens.assembly.intrinsics import parse_embedded_json

Kind = Literal["added", "changed", "removed"]

_NUCLEUS = ("aws.greengrass.Nucleus", "aws.greengrass.NucleusLite")
_PLUGIN = "aws.greengrass.LambdaManager"
_PUBLISHED = re.compile(r"\$\{([^}]*)\.Version\}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# The model's version at the end of a component's description; the component's version is derived
# from its content.
_VERSION_OF_MODEL = re.compile(r"\d+\.\d+\.\d+$")


@dataclass(frozen=True)
class DeployedComponent:
    """A component of a project's deployment.

    Attributes:
        version: the version in the deployment; `N` replaces the number of a function version that
            is not yet published.
        content: the version and the configuration update; a change restarts the component.
        download_bytes: the size of the artifacts; None for components of AWS.
        depends_on: the hard dependencies of the component.
        description: the description in the recipe; that of a model ends with the model's version.
        runs_function_as: "Lambda" or "generic" for the component that runs the published function;
            None for other components.
    """

    name: str
    version: str
    content: str
    download_bytes: int | None
    depends_on: frozenset[str] = frozenset()
    description: str = ""
    runs_function_as: Literal["Lambda", "generic"] | None = None

    @property
    def readable_version(self) -> str:
        """The version in the deployment; for a model, followed by the model's version."""
        if _VERSION_OF_MODEL.search(self.description):
            return f"{self.version} ({self.description})"
        return self.version


@dataclass(frozen=True)
class ComponentChange:
    """A component that differs between the sides; the version of an absent component is empty."""

    name: str
    kind: Kind
    version_before: str
    version_after: str
    download_bytes: int | None


@dataclass(frozen=True)
class DeviceChange:
    """The effect of a deployment on each camera of a fleet.

    Attributes:
        download_bytes: the size of the project's components that one camera downloads.
        runs_anew: components that start or restart.
        core_restarts: true if the Greengrass core software restarts.
        alarms: the effects that require attention, one sentence each.
        sentences: the effects, for a reader.
    """

    components: tuple[ComponentChange, ...] = ()
    download_bytes: int = 0
    runs_anew: tuple[str, ...] = ()
    core_restarts: bool = False
    alarms: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


def compare_devices(before: Environment, after: Environment) -> DeviceChange:
    """Return the changes of the components that are deployed to cameras, and their effect."""
    old, new = read_components(before), read_components(after)
    changes = tuple(
        change
        for name in sorted(old.keys() | new.keys())
        if (change := _change(old.get(name), new.get(name)))
    )
    fleets = _fleets(before), _fleets(after)
    if not changes and fleets[0] == fleets[1]:
        return DeviceChange(
            sentences=("Nothing changes on the cameras: no download, no restart.",) if new else ()
        )
    core = any(_restarts_core(change) for change in changes)
    names = {change.name for change in changes}
    restarted = _restarted(new, {name for name in names if name in new})
    total = sum(change.download_bytes or 0 for change in changes)
    result = DeviceChange(changes, total, tuple(sorted(restarted)), core)
    return replace(
        result,
        alarms=(*_alarms(result, *fleets), *_component_kind_alarms(old, new)),
        sentences=tuple(_sentences(result)),
    )


def read_components(environment: Environment) -> dict[str, DeployedComponent]:
    """Return the components of every project of the environment, by name."""
    published = {
        f"{stack.title}/{resource.name}": resource.published[:12]
        for stack, resource in environment.every_resource()
        if resource.published
    }
    definitions = _definitions(environment)
    components = {}
    for _, project in _of_type(environment, "Custom::DeepLensProject"):
        deployed = project.get("Components", {})
        for name, deployment in deployed.items() if isinstance(deployed, dict) else ():
            version = str(deployment.get("componentVersion", ""))
            definition, size = definitions.get(name, ({}, None))
            content = _PUBLISHED.sub(lambda match: published.get(match[1], match[0]), version)
            components[name] = DeployedComponent(
                name,
                _PUBLISHED.sub("N", version),
                f"{content} {deployment.get('configurationUpdate', '')}",
                size,
                _hard_dependencies(definition),
                str(definition.get("ComponentDescription", "")),
                _runs_function_as(definition),
            )
    return components


def format_bytes(count: int) -> str:
    """Return a size as text in bytes, KiB, MiB or GiB."""
    if count < 1024:  # noqa: PLR2004 - each unit is 1024 times the smaller one
        return f"{count} bytes"
    size, unit = count / 1024, "KiB"
    for larger in ("MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - each unit is 1024 times the smaller one
            break
        size, unit = size / 1024, larger
    return f"{size:.1f} {unit}"


def _change(old: DeployedComponent | None, new: DeployedComponent | None) -> ComponentChange | None:
    if old and new:
        if old.content == new.content:
            return None
        download = new.download_bytes if old.content.split()[0] != new.content.split()[0] else 0
        return ComponentChange(
            new.name, "changed", old.readable_version, new.readable_version, download
        )
    if new:
        return ComponentChange(new.name, "added", "", new.readable_version, new.download_bytes)
    return ComponentChange(old.name, "removed", old.readable_version, "", 0) if old else None


def _restarts_core(change: ComponentChange) -> bool:
    is_loaded_plugin = change.name == _PLUGIN and change.kind != "added"
    return change.name in _NUCLEUS or is_loaded_plugin


def _runs_function_as(definition: Mapping[str, Any]) -> Literal["Lambda", "generic"] | None:
    if "componentName" in definition:
        return "Lambda"
    steps = [manifest.get("Lifecycle", {}) for manifest in definition.get("Manifests", [])]
    runs = [step.get("run") for step in steps]
    names = {name for run in runs if isinstance(run, dict) for name in run.get("Setenv", {})}
    return "generic" if "MY_FUNCTION_ARN" in names else None


def _component_kind_alarms(
    old: Mapping[str, DeployedComponent], new: Mapping[str, DeployedComponent]
) -> Iterator[str]:
    """Yield an alarm if a generic component replaces the Lambda component, or the reverse."""
    before, after = (
        {
            component.runs_function_as: component.name
            for component in side.values()
            if component.runs_function_as
        }
        for side in (old, new)
    )
    for kind in after.keys() - before.keys() if before else ():
        if after[kind] in before.values():
            # No alarm: the name remains only if the fleet changes its nucleus, and its devices must
            # then be set up again.
            continue
        yield (
            f"THE KIND OF THE CAMERA'S COMPONENT CHANGES: {after[kind]} ({kind}) replaces "
            f"{' and '.join(sorted(before.values()))}. It has another working "
            "directory: undelivered messages, crops and the file camera-password are not copied "
            "(docs/lambda-components.md)."
        )


def _restarted(components: Mapping[str, DeployedComponent], changed: set[str]) -> set[str]:
    names = set(changed)
    while True:
        dependents = {
            component.name for component in components.values() if component.depends_on & names
        }
        if dependents <= names:
            return names
        names |= dependents


def _alarms(change: DeviceChange, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    if before and after and before != after:
        yield (
            f"THE FLEET CHANGES from {', '.join(before)} to {', '.join(after)}: other cameras "
            "receive the release."
        )
    if before and not after:
        yield f"THE PROJECT IS REMOVED: no release is deployed to {', '.join(before)}."
    if before and change.core_restarts:
        yield "THE CORE SOFTWARE RESTARTS on each camera, with every component."


def _sentences(change: DeviceChange) -> Iterator[str]:
    own = [component for component in change.components if component.download_bytes is not None]
    aws = [component.name for component in change.components if component.download_bytes is None]
    if own:
        yield (
            f"Each camera downloads about {format_bytes(change.download_bytes)} of this project's "
            "components."
        )
    if aws:
        yield f"It also downloads {', '.join(aws)} from AWS; their sizes are not included."
    if change.core_restarts:
        yield "The core software restarts on each camera, with every component."
    elif change.runs_anew:
        yield (
            f"{' and '.join(change.runs_anew)} "
            f"{'restarts' if len(change.runs_anew) == 1 else 'restart'} on each camera; the core "
            "software does not."
        )
    elif change.components:
        yield "Components are removed; nothing restarts."


def _fleets(environment: Environment) -> tuple[str, ...]:
    return tuple(
        str(project.get("ThingGroupName", project.get("TargetArn", "")))
        for _, project in _of_type(environment, "Custom::DeepLensProject")
    )


def _of_type(environment: Environment, type_: str) -> Iterator[tuple[Stack, dict[str, Any]]]:
    for stack, resource in environment.every_resource():
        if resource.type == type_:
            yield stack, parse_embedded_json(environment.resolve(stack, dict(resource.properties)))


def _definitions(environment: Environment) -> dict[str, tuple[dict[str, Any], int]]:
    """Return the definition and the artifact bytes of each of the project's components, by name."""
    definitions = {}
    for _, properties in _of_type(environment, "Custom::GreengrassComponent"):
        recipe = properties.get("Recipe") or {}
        function = properties.get("LambdaFunction") or {}
        if recipe:
            definitions[recipe["ComponentName"]] = (recipe, _recipe_bytes(environment, recipe))
        elif function:
            size = _function_bytes(environment, function.get("lambdaArn", ""))
            definitions[function["componentName"]] = (function, size)
    return definitions


def _recipe_bytes(environment: Environment, recipe: Mapping[str, Any]) -> int:
    """Return the artifact size of the largest manifest in bytes; a device uses one manifest."""
    sizes = [
        sum(
            _asset_bytes(environment.assets.get(digest))
            for artifact in manifest.get("Artifacts", [])
            for digest in _DIGEST.findall(artifact.get("Uri", ""))
        )
        for manifest in recipe.get("Manifests", [])
    ]
    return max(sizes, default=0)


def _function_bytes(environment: Environment, version: str) -> int:
    """Return the code size of a published version, `${Stack/Name/CurrentVersion}`, in bytes."""
    for stack, resource in environment.every_resource():
        if version != f"${{{stack.title}/{resource.name}}}":
            continue
        name = resource.properties.get("FunctionName", {})
        function: Resource | None = stack.resources.get(
            name.get("Ref", "") if isinstance(name, dict) else ""
        )
        code = function.properties.get("Code", {}) if function else {}
        key = code.get("S3Key", "") if isinstance(code, dict) else ""
        return _asset_bytes(environment.assets.get(str(key).partition(".")[0]))
    return 0


def _asset_bytes(asset: Path | None) -> int:
    """Return the size of an asset in bytes; for a folder, the size of its ZIP file."""
    if asset is None or not asset.exists():
        return 0
    if asset.is_file():
        return asset.stat().st_size
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(asset.rglob("*")):
            if file.is_file():
                name = file.relative_to(asset).as_posix()
                archive.writestr(zipfile.ZipInfo(name), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.tell()


def _hard_dependencies(definition: Mapping[str, Any]) -> frozenset[str]:
    dependencies = definition.get("ComponentDependencies") or definition.get(
        "componentDependencies", {}
    )
    return frozenset(
        name
        for name, dependency in dependencies.items()
        if (dependency.get("DependencyType") or dependency.get("dependencyType", "HARD")) == "HARD"
    )
