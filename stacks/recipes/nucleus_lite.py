"""The rules of nucleus lite, for recipes that have the published form.

Sources: aws-greengrass-lite, docs/RECIPE_SUPPORT_CHANGES.md, and deployments to nucleus lite 2.6.0.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from stacks.recipes.published import lifecycles, manifests
from stacks.recipes.rules import Recipe, Rule
from stacks.recipes.versions import NUMBER_LIMIT, is_three_numbers

RUNTIMES = ("*", "aws_nucleus_lite")
VARIABLES = (
    "artifacts:path",
    "artifacts:decompressedPath",
    "kernel:rootPath",
    "iot:thingName",
    "work:path",
)

INSTALL_SECONDS = 300
# Lite reads a response of at most 16,384 bytes. It contains the recipe in Base64, and up to 512
# bytes of names.
LARGEST_LITE_RECIPE_BYTES = (16_384 - 512) * 3 // 4

_STEPS = ("install", "run", "startup")
_UNIT_STEPS = ("run", "startup")
# Greengrass adds the digest of each artifact to the recipe.
_ADDED_TO_ARTIFACT = {"Digest": "0" * 44, "Algorithm": "SHA-256"}
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


def _version(recipe: Recipe) -> Iterator[str]:
    """Lite stores a recipe as `<name>-<version>.json` and splits that at the last hyphen."""
    version = recipe["ComponentVersion"]
    if not is_three_numbers(version):
        yield (
            f"{version!r} is not a valid version: expected three numbers below {NUMBER_LIMIT:,} "
            "and nothing after them, such as '1.2.3'"
        )


def _size(recipe: Recipe) -> Iterator[str]:
    manifests_of_cloud = [
        {
            **manifest,
            "Artifacts": [one | _ADDED_TO_ARTIFACT for one in manifest.get("Artifacts", [])],
        }
        for manifest in manifests(recipe)
    ]
    text = json.dumps({**recipe, "Manifests": manifests_of_cloud}, ensure_ascii=False)
    size = len(text.encode(errors="replace"))
    if size > LARGEST_LITE_RECIPE_BYTES:
        yield (
            f"it has {size:,} bytes with the digests of its artifacts: expected at most "
            f"{LARGEST_LITE_RECIPE_BYTES:,}"
        )


def _unit(recipe: Recipe) -> Iterator[str]:
    """A deployment waits for a service of each component; the recipe's own lifecycle is not read.

    `startup` needs a script that notifies systemd, `run` does not.
    """
    for number, manifest in enumerate(manifests(recipe)):
        if not manifest.get("Lifecycle", {}).keys() & set(_UNIT_STEPS):
            yield (
                f"manifest {number} has neither 'run' nor 'startup', so it has no service, and the "
                f"deployment fails after {INSTALL_SECONDS} s: add 'run': 'true'"
            )


def _install_timeout(recipe: Recipe) -> Iterator[str]:
    for number, manifest in enumerate(manifests(recipe)):
        install = manifest.get("Lifecycle", {}).get("install")
        timeout = install.get("Timeout", 0) if isinstance(install, dict) else 0
        if timeout > INSTALL_SECONDS:
            yield (
                f"manifest {number} has the Timeout {timeout} for 'install', which ends after "
                f"{INSTALL_SECONDS} s: do longer work in 'run'"
            )


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


def _no_dependencies(recipe: Recipe) -> Iterator[str]:
    """They become dependencies of services, and a service that has ended is started again.

    After a few crashes of the one component, the other one is ERRORED although it has no fault.
    """
    for name in recipe.get("ComponentDependencies", {}):
        yield (
            f"it depends on {name}, so its crashes restart {name}, which is ERRORED then: remove "
            "ComponentDependencies, and name both components in the deployment"
        )


LITE_RULES: dict[str, Rule] = {
    "lite-generic-only": _generic_only,
    "lite-runtime": _runtime,
    "lite-no-pattern": _no_pattern,
    "lite-version": _version,
    "lite-size": _size,
    "lite-unit": _unit,
    "lite-install-timeout": _install_timeout,
    "lite-known-steps": _known_steps,
    "lite-no-condition": _no_condition,
    "lite-own-variables": _own_variables,
    "lite-no-dependencies": _no_dependencies,
}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
