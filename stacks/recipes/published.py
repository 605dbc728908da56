"""The published format of recipes and component versions.

A version has three numbers below 1,000,000. Nucleus lite stores recipes as `<name>-<version>.json`
and splits this name at the last hyphen, so it would lose the recipe of a version with a hyphen.

Source: AWS IoT Greengrass V2 Developer Guide, "AWS IoT Greengrass component recipe reference", and
the limit in `greengrass-tools`: "only supports recipe files up to 16 kB".
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from deeplens.config import ConfigError

Recipe = Mapping[str, Any]
# A function that yields each problem of a recipe, with the values that work.
Rule = Callable[[Recipe], Iterator[str]]

MAX_RECIPE_BYTES = 16_000
NUMBER_LIMIT = 1_000_000
LONGEST_VERSION = ".".join([str(NUMBER_LIMIT - 1)] * 3)

_SCHEMA = Path(__file__).with_name("recipe.schema.json")
_SHOWN_CHARACTERS = 160
_THREE_NUMBERS = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")


class RecipeError(ConfigError):
    """Raised for an invalid recipe; the message contains broken rules and the values that work."""


def _form(recipe: Recipe) -> Iterator[str]:
    for error in _validator().iter_errors(recipe):
        path = "/".join(str(part) for part in error.absolute_path) or "the recipe"
        yield f"{path}: {error.message[:_SHOWN_CHARACTERS]}"


def _size(recipe: Recipe) -> Iterator[str]:
    size = len(json.dumps(recipe, ensure_ascii=False).encode(errors="replace"))
    if size > MAX_RECIPE_BYTES:
        yield f"the recipe has {size} bytes: expected at most {MAX_RECIPE_BYTES}"


def _reserved_name(recipe: Recipe) -> Iterator[str]:
    name = recipe["ComponentName"]
    if name.lower().startswith("aws."):
        yield f"{name!r} starts with 'aws.', which is reserved for AWS"


def _one_main_step(recipe: Recipe) -> Iterator[str]:
    for lifecycle in lifecycles(recipe):
        if {"run", "startup"} <= lifecycle.keys():
            yield "a lifecycle has 'run' and 'startup': expected only one of them"


def _artifact_names(recipe: Recipe) -> Iterator[str]:
    for manifest in manifests(recipe):
        artifacts = manifest.get("Artifacts", [])
        names = Counter(artifact["Uri"].rpartition("/")[2] for artifact in artifacts)
        for name, count in names.items():
            if count > 1:
                yield f"{count} artifacts of a manifest are named {name!r}: expected unique names"


def _other_dependencies(recipe: Recipe) -> Iterator[str]:
    if recipe["ComponentName"] in recipe.get("ComponentDependencies", {}):
        yield "a component cannot depend on itself"


FORM_RULES: dict[str, Rule] = {"form": _form}
# Rules that apply only to recipes of the published form.
PUBLISHED_RULES: dict[str, Rule] = {
    "size": _size,
    "reserved-name": _reserved_name,
    "one-main-step": _one_main_step,
    "artifact-names": _artifact_names,
    "other-dependencies": _other_dependencies,
}


def manifests(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the manifests of a recipe of the published form."""
    manifests: list[dict[str, Any]] = recipe["Manifests"]
    return manifests


def lifecycles(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the lifecycle of the recipe and the lifecycles of its manifests."""
    return [part["Lifecycle"] for part in (recipe, *manifests(recipe)) if "Lifecycle" in part]


def component_version(first_number: int | str, content_sha256: str) -> str:
    """Return the version of a component: its first number, then two numbers from its content.

    The two numbers are the SHA-256 modulo 10^12, about 40 bits. If two contents have the same
    version, `Custom::GreengrassComponent` rejects the second one.

    Args:
        first_number: a counter, for example of published function versions; may be a CDK token.
        content_sha256: 64 hexadecimal digits.
    """
    minor, patch = divmod(int(content_sha256, 16) % NUMBER_LIMIT**2, NUMBER_LIMIT)
    return f"{first_number}.{minor}.{patch}"


def is_three_numbers(version: str) -> bool:
    """Return True if a version consists of exactly three numbers below 1,000,000."""
    return _THREE_NUMBERS.fullmatch(version) is not None


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))
