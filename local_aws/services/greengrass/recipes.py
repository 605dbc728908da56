"""Component recipes: reading, validation and writing."""

import json
import re
from typing import Any, cast

import yaml  # type: ignore[import-untyped]  # no stubs are installed

from local_aws import json_text
from local_aws.errors import ValidationError
from local_aws.services.greengrass.versions import parse_requirement, parse_version

Recipe = dict[str, Any]

MAX_RECIPE_BYTES = 16 * 1024
# The maximum number of values in a recipe. A recipe of 16 kB has thousands of values, but YAML
# aliases can expand to gigabytes.
_MAX_VALUES = 20_000
MAX_NAME_CHARACTERS = 128
MAX_VERSION_CHARACTERS = 64
FORMAT_VERSION = "2020-01-25"
UNARCHIVE = ("NONE", "ZIP")
READ_PERMISSIONS = ("NONE", "OWNER", "ALL")
DEPENDENCY_TYPES = ("HARD", "SOFT")

_NAME = re.compile(r"[a-zA-Z0-9-_.]+")
_TOP_LEVEL = (
    "RecipeFormatVersion", "ComponentName", "ComponentVersion", "ComponentType",
    "ComponentDescription", "ComponentPublisher", "ComponentSource", "ComponentConfiguration",
    "ComponentDependencies", "Manifests", "Lifecycle",
)  # fmt: skip
_MANIFEST = ("Name", "Platform", "Lifecycle", "Artifacts", "Selections")
_ARTIFACT = ("Uri", "Unarchive", "Permission", "Digest", "Algorithm")


def read_recipe(content: bytes) -> Recipe:
    """Parse and validate an inline recipe in JSON or YAML.

    Raises:
        ValidationError: the recipe is too long, unreadable or not valid.
    """
    if len(content) > MAX_RECIPE_BYTES:
        raise ValidationError(
            f"The recipe has {len(content)} bytes; the maximum is {MAX_RECIPE_BYTES} (16 kB)."
        )
    recipe = _canonical(_parse(content), _TOP_LEVEL, "recipe")
    _check_identity(recipe)
    check_dependencies(recipe)
    manifests = recipe.get("Manifests")
    if not isinstance(manifests, list) or not manifests:
        raise ValidationError("The recipe's Manifests must be a list with at least one manifest.")
    recipe["Manifests"] = [
        _checked_manifest(manifest, f"Manifests[{position}]")
        for position, manifest in enumerate(manifests)
    ]
    return recipe


def write_recipe(recipe: Recipe, output_format: str) -> bytes:
    """Return a recipe as `JSON` or `YAML`."""
    if output_format == "YAML":
        return cast("str", yaml.safe_dump(recipe, sort_keys=False)).encode()
    return json.dumps(recipe).encode()


def artifacts(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the artifacts of all manifests."""
    return [
        artifact
        for manifest in recipe.get("Manifests", [])
        for artifact in manifest.get("Artifacts", [])
    ]


def platforms(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the platforms of a recipe in the form of the API's `ComponentPlatform`."""
    return [
        {"attributes": {key: str(value) for key, value in manifest.get("Platform", {}).items()}}
        for manifest in recipe.get("Manifests", [])
    ]


def _parse(content: bytes) -> Any:
    try:
        return json_text.parse(content)
    except ValueError:
        pass
    try:
        value = yaml.safe_load(content)
        if _is_small(value):
            return value
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        detail = " ".join(str(error).split())
        raise ValidationError(f"The recipe is neither JSON nor YAML: {detail}") from None

    raise ValidationError(f"The recipe has too many values: expected at most {_MAX_VALUES}.")


def _is_small(value: Any) -> bool:
    """Return whether a value, with its YAML aliases expanded, is within the limit."""
    pending, count = [value], 0
    while pending and count <= _MAX_VALUES:
        item = pending.pop()
        count += 1
        if isinstance(item, dict):
            pending += item.values()
        elif isinstance(item, list):
            pending += item
    return not pending


def _canonical(value: Any, known: tuple[str, ...], where: str) -> Recipe:
    if not isinstance(value, dict):
        raise ValidationError(f"The {where} must be a mapping, not {type(value).__name__}.")
    spelled = {name.lower(): name for name in known}
    unknown = sorted(str(key) for key in value if str(key).lower() not in spelled)
    if unknown:
        raise ValidationError(f"The {where} has the unknown key {unknown[0]!r}; expected: {known}.")
    return {spelled[str(key).lower()]: item for key, item in value.items()}


def check_name(name: Any) -> str:
    """Check and return the name of a component.

    Raises:
        ValidationError: the name is not valid, or is reserved for AWS.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        raise ValidationError(
            f"ComponentName {name!r} must have 1 to {MAX_NAME_CHARACTERS} letters, digits,"
            " hyphens, underscores or periods."
        )
    if name.lower().startswith("aws."):
        raise ValidationError(
            f"ComponentName {name!r}: names that begin with aws. are reserved for AWS."
        )
    return name


def check_version(version: Any) -> str:
    """Check and return the version of a component.

    Raises:
        ValidationError: the version is too long, or is not a semantic version.
    """
    if not isinstance(version, str) or len(version) > MAX_VERSION_CHARACTERS:
        raise ValidationError(
            f"ComponentVersion {version!r} must be a string with at most {MAX_VERSION_CHARACTERS}"
            " characters."
        )
    parse_version(version)
    return version


def _check_identity(recipe: Recipe) -> None:
    if str(recipe.get("RecipeFormatVersion")) != FORMAT_VERSION:
        raise ValidationError(
            f"RecipeFormatVersion {recipe.get('RecipeFormatVersion')!r} must be {FORMAT_VERSION!r}."
        )
    recipe["RecipeFormatVersion"] = FORMAT_VERSION
    check_name(recipe.get("ComponentName"))
    check_version(recipe.get("ComponentVersion"))


def check_dependencies(recipe: Recipe) -> None:
    """Check the dependencies of a recipe, and convert their types to upper case.

    Raises:
        ValidationError: a dependency is not valid, or refers to the component itself.
    """
    dependencies = recipe.get("ComponentDependencies") or {}
    if not isinstance(dependencies, dict):
        raise ValidationError("ComponentDependencies must map component names to requirements.")
    for name, dependency in dependencies.items():
        if not isinstance(dependency, dict):
            raise ValidationError(f"ComponentDependencies of {name} must be a mapping.")
        if name == recipe["ComponentName"]:
            raise ValidationError(f"Component {name} cannot depend on itself.")
        parse_requirement(str(dependency.get("VersionRequirement", "")))
        kind = str(dependency.setdefault("DependencyType", "HARD")).upper()
        if kind not in DEPENDENCY_TYPES:
            raise ValidationError(f"DependencyType of {name} is {kind}, not HARD or SOFT.")
        dependency["DependencyType"] = kind


def _checked_manifest(value: Any, where: str) -> Recipe:
    manifest = _canonical(value, _MANIFEST, where)
    listed = manifest.get("Artifacts") or []
    if not isinstance(listed, list):
        raise ValidationError(f"{where}.Artifacts must be a list.")
    checked = [
        _checked_artifact(artifact, f"{where}.Artifacts[{position}]")
        for position, artifact in enumerate(listed)
    ]
    names = [artifact["Uri"].rsplit("/", 1)[-1] for artifact in checked]
    for name in names:
        if names.count(name) > 1:
            raise ValidationError(
                f"{where} has several artifacts named {name}; file names must be unique."
            )
    if checked:
        manifest["Artifacts"] = checked
    return manifest


def _checked_artifact(value: Any, where: str) -> Recipe:
    artifact = _canonical(value, _ARTIFACT, where)
    uri = artifact.get("Uri")
    if not isinstance(uri, str) or not re.fullmatch(r"s3://[^/]+/.+", uri):
        raise ValidationError(f"{where}.Uri {uri!r} must look like s3://bucket/key.")
    unarchive = str(artifact.setdefault("Unarchive", "NONE")).upper()
    if unarchive not in UNARCHIVE:
        raise ValidationError(
            f"{where}.Unarchive is {unarchive}; Greengrass unpacks ZIP only, otherwise use NONE."
        )
    permission = artifact.get("Permission") or {}
    read = str(permission.get("Read", "OWNER")).upper()
    if read not in READ_PERMISSIONS:
        raise ValidationError(f"{where}.Permission.Read is {read}, not one of {READ_PERMISSIONS}.")
    return {**artifact, "Unarchive": unarchive}
