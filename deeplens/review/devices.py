"""What a deploy does on the cameras: components, bytes to download, what restarts.

Rules of AWS IoT Greengrass V2: a component runs anew when its version or its configuration
changes, and when a component that it depends on (HARD) changes; a component that a deployment
leaves out is removed; a change of the nucleus restarts the core software, and all with it. So does
another version of the Lambda manager, or its removal: it is a plugin, which runs in the nucleus.
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
# The numbers of a component version follow from its content, so a model also needs its own version.
_VERSION_OF_MODEL = re.compile(r"\d+\.\d+\.\d+$")


@dataclass(frozen=True)
class Component:
    """A component of a project's deployment.

    Attributes:
        version: as deployed; the number of a version that is yet to be published is `N`.
        content: all that makes it run anew when it changes.
        download_bytes: size of its artifacts, None where AWS keeps them.
        depends_on: components that it depends on (HARD).
        description: of its recipe; that of a model ends with the model's own version.
        runs_function_as: "Lambda" or "generic" for the component that runs the published function.
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
        """The version as deployed; for a model, with the model's own version."""
        if _VERSION_OF_MODEL.search(self.description):
            return f"{self.version} ({self.description})"
        return self.version


@dataclass(frozen=True)
class ComponentChange:
    """A component that is not the same on both sides; a version is empty where it is not."""

    name: str
    kind: Kind
    version_before: str
    version_after: str
    download_bytes: int | None


@dataclass(frozen=True)
class DeviceChange:
    """What a deploy does on each camera of a fleet.

    Attributes:
        download_bytes: of the components whose artifacts are the project's own, for one camera.
        runs_anew: components that start, or stop and start again.
        core_restarts: the Greengrass core software itself.
        alarms: what must not be overlooked, one sentence each.
        sentences: the same, for a reader.
    """

    components: tuple[ComponentChange, ...] = ()
    download_bytes: int = 0
    runs_anew: tuple[str, ...] = ()
    core_restarts: bool = False
    alarms: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


def compare_devices(before: Environment, after: Environment) -> DeviceChange:
    """Compare what the projects of both sides put on their cameras."""
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
    touched = {one.name for one in changes}
    runs = _run_anew(new, {name for name in touched if name in new})
    total = sum(one.download_bytes or 0 for one in changes)
    result = DeviceChange(changes, total, tuple(sorted(runs)), core)
    return replace(
        result,
        alarms=(*_alarms(result, *fleets), *_alarms_of_kind(old, new)),
        sentences=tuple(_sentences(result)),
    )


def read_components(environment: Environment) -> dict[str, Component]:
    """Return the components of every project of the environment, by name."""
    published = {
        f"{stack.title}/{resource.name}": resource.published[:12]
        for stack, resource in environment.every_resource()
        if resource.published
    }
    definitions = _definitions(environment)
    found = {}
    for _, project in _of_type(environment, "Custom::DeepLensProject"):
        components = project.get("Components", {})
        for name, asked in components.items() if isinstance(components, dict) else ():
            text = str(asked.get("componentVersion", ""))
            definition, size = definitions.get(name, ({}, None))
            content = _PUBLISHED.sub(lambda one: published.get(one[1], one[0]), text)
            found[name] = Component(
                name,
                _PUBLISHED.sub("N", text),
                f"{content} {asked.get('configurationUpdate', '')}",
                size,
                _hard_dependencies(definition),
                str(definition.get("ComponentDescription", "")),
                _runs_function_as(definition),
            )
    return found


def human(count: int) -> str:
    """Return a number of bytes for a reader, in powers of 1024."""
    if count < 1024:  # noqa: PLR2004 - bytes in a KiB
        return f"{count} bytes"
    size, unit = count / 1024, "KiB"
    for larger in ("MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - as above
            break
        size, unit = size / 1024, larger
    return f"{size:.1f} {unit}"


def _change(old: Component | None, new: Component | None) -> ComponentChange | None:
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


def _alarms_of_kind(old: Mapping[str, Component], new: Mapping[str, Component]) -> Iterator[str]:
    """Return what a change from a Lambda to a generic component, or back, means."""
    before, after = (
        {one.runs_function_as: one.name for one in side.values() if one.runs_function_as}
        for side in (old, new)
    )
    for kind in after.keys() - before.keys() if before else ():
        if after[kind] in before.values():
            # The fleet has another nucleus: its devices are set up again.
            continue
        yield (
            f"THE KIND OF THE CAMERA'S COMPONENT CHANGES: {after[kind]} ({kind}) replaces "
            f"{' and '.join(sorted(before.values()))}. It has a working directory of its own: "
            "undelivered messages, crops and the file camera-password are not carried over "
            "(docs/lambda-components.md)."
        )


def _run_anew(components: Mapping[str, Component], changed: set[str]) -> set[str]:
    runs = set(changed)
    while True:
        more = {one.name for one in components.values() if one.depends_on & runs} - runs
        if not more:
            return runs
        runs |= more


def _alarms(change: DeviceChange, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    if before and after and before != after:
        yield (
            f"THE FLEET CHANGES from {', '.join(before)} to {', '.join(after)}: other cameras "
            "take the release."
        )
    if before and not after:
        yield f"THE PROJECT GOES: no release is deployed to {', '.join(before)} any more."
    if before and change.core_restarts:
        yield "THE CORE SOFTWARE RESTARTS on each camera, and every component with it."


def _sentences(change: DeviceChange) -> Iterator[str]:
    own = [one for one in change.components if one.download_bytes is not None]
    aws = [one.name for one in change.components if one.download_bytes is None]
    if own:
        yield (
            f"Each camera downloads about {human(change.download_bytes)} of this project's "
            "components."
        )
    if aws:
        yield f"It downloads {', '.join(aws)} from AWS, too; their sizes are not known here."
    if change.core_restarts:
        yield "The core software restarts on each camera, and every component with it."
    elif change.runs_anew:
        yield (
            f"{' and '.join(change.runs_anew)} "
            f"{'restarts' if len(change.runs_anew) == 1 else 'restart'} on each camera; the core "
            "software does not."
        )
    elif change.components:
        yield "Nothing restarts; components are removed."


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
    """Return each own component's definition and the size of its artifacts, by its name."""
    found = {}
    for _, properties in _of_type(environment, "Custom::GreengrassComponent"):
        recipe = properties.get("Recipe") or {}
        function = properties.get("LambdaFunction") or {}
        if recipe:
            found[recipe["ComponentName"]] = (recipe, _recipe_bytes(environment, recipe))
        elif function:
            size = _function_bytes(environment, function.get("lambdaArn", ""))
            found[function["componentName"]] = (function, size)
    return found


def _recipe_bytes(environment: Environment, recipe: Mapping[str, Any]) -> int:
    """Return what a device downloads: of one manifest, that of its platform; the largest."""
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
    """Return the size of the code behind a published version, `${Stack/Name/CurrentVersion}`."""
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
    """Return the size of an asset as uploaded; a folder's as this machine would zip it."""
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
        for name, one in dependencies.items()
        if (one.get("DependencyType") or one.get("dependencyType", "HARD")) == "HARD"
    )
