"""What nucleus lite takes, of recipes that have the published form.

Source: aws-greengrass-lite, docs/RECIPE_SUPPORT_CHANGES.md, and what it was seen to refuse.
"""

import re
from collections.abc import Iterator
from typing import Any

from stacks.recipes.published import lifecycles, manifests
from stacks.recipes.rules import Recipe, Rule

RUNTIMES = ("*", "aws_nucleus_lite")
VARIABLES = (
    "artifacts:path",
    "artifacts:decompressedPath",
    "kernel:rootPath",
    "iot:thingName",
    "work:path",
)

_STEPS = ("install", "run", "startup")
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")


def _generic_only(recipe: Recipe) -> Iterator[str]:
    kind = recipe.get("ComponentType", "aws.greengrass.generic")
    if kind != "aws.greengrass.generic":
        yield f"it runs no {kind}; it runs 'aws.greengrass.generic'"


def _runtime(recipe: Recipe) -> Iterator[str]:
    for number, manifest in enumerate(manifests(recipe)):
        given = manifest.get("Platform", {}).get("runtime")
        if given not in RUNTIMES:
            yield (
                f"manifest {number} has the platform runtime {given!r}, and is skipped; "
                f"{' or '.join(map(repr, RUNTIMES))} is read"
            )


def _no_pattern(recipe: Recipe) -> Iterator[str]:
    for manifest in manifests(recipe):
        for key, value in manifest.get("Platform", {}).items():
            if len(value) > 1 and value.startswith("/") and value.endswith("/"):
                yield f"platform {key} is the pattern {value}; only exact values are read"


def _some_step(recipe: Recipe) -> Iterator[str]:
    """Each manifest needs one; the recipe's own lifecycle is not read."""
    for number, manifest in enumerate(manifests(recipe)):
        if not set(manifest.get("Lifecycle", {})) - {"Setenv"}:
            yield f"manifest {number} has a lifecycle without a step; 'install': 'true' is one"


def _known_steps(recipe: Recipe) -> Iterator[str]:
    for lifecycle in lifecycles(recipe):
        for name in sorted(lifecycle.keys() - {*_STEPS, "Setenv"}):
            yield f"the step {name!r} is not carried out; {', '.join(_STEPS)} are"


def _no_condition(recipe: Recipe) -> Iterator[str]:
    for lifecycle in lifecycles(recipe):
        for name, step in lifecycle.items():
            if isinstance(step, dict) and "Skipif" in step:
                yield f"the step {name!r} has Skipif, which is not read; ask in its script"


def _own_variables(recipe: Recipe) -> Iterator[str]:
    """Braces are recipe variables, and those of the component itself only."""
    for text in sorted({text for one in lifecycles(recipe) for text in _texts(one)}):
        for found in _BRACES.findall(text):
            name = found[1:-1]
            if name not in VARIABLES and not name.startswith("configuration:/"):
                yield (
                    f"{found!r} in {text[:80]!r} is no variable of the component itself; "
                    f"{', '.join(VARIABLES)} and configuration:/… are"
                )


def _soft_dependencies(recipe: Recipe) -> Iterator[str]:
    """What only installs has no unit that a HARD dependency could wait for."""
    for name, one in recipe.get("ComponentDependencies", {}).items():
        if one.get("DependencyType", "HARD") != "SOFT":
            yield f"the dependency {name} is HARD, which waits for a unit for ever; SOFT works"


LITE_RULES: dict[str, Rule] = {
    "lite-generic-only": _generic_only,
    "lite-runtime": _runtime,
    "lite-no-pattern": _no_pattern,
    "lite-some-step": _some_step,
    "lite-known-steps": _known_steps,
    "lite-no-condition": _no_condition,
    "lite-own-variables": _own_variables,
    "lite-soft-dependencies": _soft_dependencies,
}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
