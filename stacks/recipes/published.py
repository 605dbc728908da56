"""What AWS IoT Greengrass V2 takes as a recipe.

Source: AWS IoT Greengrass V2 Developer Guide, "AWS IoT Greengrass component recipe reference", and
the limit that `greengrass-tools` names: "only supports recipe files up to 16 kB".
"""

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from stacks.recipes.rules import Recipe, Rule

LARGEST_RECIPE_BYTES = 16_000

_SCHEMA = Path(__file__).with_name("recipe.schema.json")
_SHOWN_CHARACTERS = 160


def _form(recipe: Recipe) -> Iterator[str]:
    for error in _validator().iter_errors(recipe):
        where = "/".join(str(part) for part in error.absolute_path) or "the recipe"
        yield f"{where}: {error.message[:_SHOWN_CHARACTERS]}"


def _size(recipe: Recipe) -> Iterator[str]:
    size = len(json.dumps(recipe, ensure_ascii=False).encode(errors="replace"))
    if size > LARGEST_RECIPE_BYTES:
        yield f"it has {size} bytes; a recipe has at most {LARGEST_RECIPE_BYTES}"


def _reserved_name(recipe: Recipe) -> Iterator[str]:
    name = recipe["ComponentName"]
    if name.lower().startswith("aws."):
        yield f"{name!r} begins with 'aws.', which is AWS' own"


def _one_main_step(recipe: Recipe) -> Iterator[str]:
    for lifecycle in lifecycles(recipe):
        if {"run", "startup"} <= lifecycle.keys():
            yield "a lifecycle has 'run' or 'startup', not both"


def _artifact_names(recipe: Recipe) -> Iterator[str]:
    for manifest in manifests(recipe):
        artifacts = manifest.get("Artifacts", [])
        names = Counter(one["Uri"].rpartition("/")[2] for one in artifacts)
        for name, count in names.items():
            if count > 1:
                yield f"{count} artifacts of a manifest are named {name!r}; a name is there once"


def _other_dependencies(recipe: Recipe) -> Iterator[str]:
    if recipe["ComponentName"] in recipe.get("ComponentDependencies", {}):
        yield "a component cannot depend on itself"


FORM_RULES: dict[str, Rule] = {"form": _form}
# Of recipes that have the form.
PUBLISHED_RULES: dict[str, Rule] = {
    "size": _size,
    "reserved-name": _reserved_name,
    "one-main-step": _one_main_step,
    "artifact-names": _artifact_names,
    "other-dependencies": _other_dependencies,
}


def manifests(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the manifests of a recipe that has the form."""
    found: list[dict[str, Any]] = recipe["Manifests"]
    return found


def lifecycles(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the recipe's own lifecycle and those of its manifests."""
    return [one["Lifecycle"] for one in (recipe, *manifests(recipe)) if "Lifecycle" in one]


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))
