"""The rules of nucleus lite for recipes of the published form, and for job documents.

Sources: aws-greengrass-lite, docs/RECIPE_SUPPORT_CHANGES.md, and deployments to nucleus lite 2.6.0.
For job documents: the format that the nucleus reads (aws-greengrass-nucleus, `Configuration`), and
the limit of nucleus lite 2.6.0.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from stacks.recipes.published import (
    NUMBER_LIMIT,
    Recipe,
    RecipeError,
    Rule,
    is_three_numbers,
    lifecycles,
    manifests,
)

RUNTIMES = ("*", "aws_nucleus_lite")
VARIABLES = (
    "artifacts:path",
    "artifacts:decompressedPath",
    "kernel:rootPath",
    "iot:thingName",
    "work:path",
)

INSTALL_SECONDS = 300
# The maximum size of a recipe for nucleus lite, in bytes. Nucleus lite reads at most 16,384 bytes
# of a response, which contains the recipe in Base64 and up to 512 bytes of names.
MAX_LITE_RECIPE_BYTES = (16_384 - 512) * 3 // 4
# The maximum size, in bytes, of a job document that nucleus lite accepts.
MAX_LITE_DOCUMENT_BYTES = 4_096

_UUID = "0" * 36
_MAX_REVISION = 999_999

_STEPS = ("install", "run", "startup")
_UNIT_STEPS = ("run", "startup")
# Members that Greengrass adds to each artifact of a recipe; the values have the real length.
_ADDED_TO_ARTIFACT = {"Digest": "0" * 44, "Algorithm": "SHA-256"}
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")


def _generic_only(recipe: Recipe) -> Iterator[str]:
    kind = recipe.get("ComponentType", "aws.greengrass.generic")
    if kind != "aws.greengrass.generic":
        yield f"the component type is {kind!r}: expected 'aws.greengrass.generic'"


def _runtime(recipe: Recipe) -> Iterator[str]:
    for number, manifest in enumerate(manifests(recipe)):
        runtime = manifest.get("Platform", {}).get("runtime")
        if runtime not in RUNTIMES:
            yield (
                f"manifest {number} has the platform runtime {runtime!r}, so it is skipped: "
                f"expected {' or '.join(map(repr, RUNTIMES))}"
            )


def _no_pattern(recipe: Recipe) -> Iterator[str]:
    for manifest in manifests(recipe):
        for key, value in manifest.get("Platform", {}).items():
            if len(value) > 1 and value.startswith("/") and value.endswith("/"):
                yield f"platform {key} is the pattern {value}: expected an exact value"


def _version(recipe: Recipe) -> Iterator[str]:
    """Require three numbers as version.

    Nucleus lite stores a recipe as `<name>-<version>.json` and splits the file name at the last
    hyphen.
    """
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
            "Artifacts": [
                artifact | _ADDED_TO_ARTIFACT for artifact in manifest.get("Artifacts", [])
            ],
        }
        for manifest in manifests(recipe)
    ]
    text = json.dumps({**recipe, "Manifests": manifests_of_cloud}, ensure_ascii=False)
    size = len(text.encode(errors="replace"))
    if size > MAX_LITE_RECIPE_BYTES:
        yield (
            f"the recipe has {size:,} bytes with the digests of its artifacts: expected at most "
            f"{MAX_LITE_RECIPE_BYTES:,}"
        )


def _unit(recipe: Recipe) -> Iterator[str]:
    """Require a step that defines a service in each manifest.

    A deployment waits for a service of each component, and ignores the recipe's global lifecycle.
    `startup` requires a script that notifies systemd; `run` does not.
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
            yield f"the step {name!r} is ignored: expected {', '.join(_STEPS)}"


def _no_condition(recipe: Recipe) -> Iterator[str]:
    for lifecycle in lifecycles(recipe):
        for name, step in lifecycle.items():
            if isinstance(step, dict) and "Skipif" in step:
                yield (
                    f"the step {name!r} has Skipif, which is ignored: "
                    "test the condition in its script"
                )


def _own_variables(recipe: Recipe) -> Iterator[str]:
    """Require the component's own variables in braces; nucleus lite replaces no others."""
    for text in sorted({text for lifecycle in lifecycles(recipe) for text in _texts(lifecycle)}):
        for variable in _BRACES.findall(text):
            name = variable[1:-1]
            if name not in VARIABLES and not name.startswith("configuration:/"):
                yield (
                    f"{variable!r} in {text[:80]!r} is not a variable of the component itself: "
                    f"expected {', '.join(VARIABLES)} or configuration:/…"
                )


def _no_dependencies(recipe: Recipe) -> Iterator[str]:
    """Reject dependencies, because nucleus lite converts them to dependencies of services.

    Each crash of a component restarts the component on which it depends. After a few crashes, that
    component is ERRORED.
    """
    for name in recipe.get("ComponentDependencies", {}):
        yield (
            f"it depends on {name}, so its crashes restart {name} until it is ERRORED: remove "
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
        for item in value.values():
            yield from _texts(item)


def check_job_document(
    name: str,
    *,
    target_arn: str,
    parent_target_arn: str | None,
    components: Mapping[str, Mapping[str, Any]],
    policies: Mapping[str, Any],
) -> None:
    """Reject a deployment whose job document nucleus lite would not read.

    Args:
        name: name of the deployment.
        target_arn: ARN of the thing group.
        parent_target_arn: ARN of the fleet, if the thing group is a wave.
        components: as in CreateDeployment; an unknown version has its longest form.
        policies: policies of the deployment.

    Raises:
        RecipeError: the document is too large; the message contains the size, the limit, and the
            largest component.
    """
    parts = {
        component: _component(specification) for component, specification in components.items()
    }
    kind_and_name = target_arn.rpartition(":")[2]
    document = {
        **({"onBehalfOf": parent_target_arn} if parent_target_arn else {}),
        "schemaDate": "2021-05-17",
        "deploymentId": _UUID,
        "deploymentName": name,
        "configurationArn": (
            f"{target_arn.replace(':iot:', ':greengrass:').removesuffix(kind_and_name)}"
            f"configuration:{kind_and_name}:{_MAX_REVISION}"
        ),
        "creationTimestamp": 10**13 - 1,
        "components": parts,
        **policies,
    }
    size = _bytes(document)
    if size > MAX_LITE_DOCUMENT_BYTES:
        largest = max(parts, key=lambda component: _bytes(parts[component]))
        raise RecipeError(
            f"{name}: lite-job-document: the deployment has {size:,} bytes: expected at most "
            f"{MAX_LITE_DOCUMENT_BYTES:,}; {largest} has {_bytes(parts[largest]):,} of them: "
            "shorten inference.topic or the names of the environment, the model and the fleet"
        )


def _component(specification: Mapping[str, Any]) -> dict[str, Any]:
    """Return a component as the job document contains it, with `merge` as parsed JSON."""
    update = dict(specification.get("configurationUpdate", {}))
    if "merge" in update:
        update["merge"] = json.loads(update["merge"])
    return {
        "version": specification["componentVersion"],
        "runWith": {},
        **({"configurationUpdate": update} if update else {}),
    }


def _bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
