"""Rules about releases: published versions, verified artifacts, complete deployments."""

import json
import re
from collections.abc import Iterator
from typing import Any

from deeplens.assembly import Stack, text
from deeplens.policy.storage import model_bucket
from deeplens.policy.violation import Rule, Violation, violation

_COMPONENT = "Custom::GreengrassComponent"
_PROJECT = "Custom::DeepLensProject"
_LARGEST_RECIPE_BYTES = 16_000
_RECIPE_KEYS = {"RecipeFormatVersion", "ComponentName", "ComponentVersion", "Manifests"}
_ALL = 100
_UNARCHIVE = {"NONE", "ZIP"}
_DIGEST = r"(?:[0-9a-f]{64}|DIGEST)"
_RUNTIME = "python3.12"
_MODEL = "/model.zip"
_OPERATIONS = {"aws.greengrass#PublishToIoTCore", "aws.greengrass#SubscribeToIoTCore"}
_OWN_SHADOW = "$aws/things/{iot:thingName}/shadow/name/deeplens/"


def no_greengrass_v1(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject resources of Greengrass V1, whose service is closed."""
    for stack in stacks:
        for logical_id, resource in stack.definitions():
            if resource["Type"].startswith("AWS::Greengrass::"):
                yield violation(stack, "no-greengrass-v1", logical_id, "use Greengrass V2")


def own_greengrass_resources(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject CloudFormation's resource types of Greengrass V2.

    These types do not support rollback, and their operations complete before any device has
    changed.
    """
    for stack in stacks:
        for logical_id, resource in stack.definitions():
            if resource["Type"].startswith("AWS::GreengrassV2::"):
                yield violation(
                    stack,
                    "own-greengrass-resources",
                    logical_id,
                    f"use {_COMPONENT} and {_PROJECT}",
                )


def function_properties(stacks: list[Stack]) -> Iterator[Violation]:
    """Require Python 3.12 for functions, and the name prefix `deeplens-` for camera functions."""
    for stack in stacks:
        versions = _published(stack)
        for logical_id, function in stack.definitions("AWS::Lambda::Function"):
            name = text(function["Properties"].get("FunctionName", ""))
            runs_on_cameras = f"${{{logical_id}}}" in versions.values()
            if runs_on_cameras and not name.startswith("deeplens-"):
                yield violation(
                    stack, "function-name", logical_id, "its name must start with deeplens-"
                )
            if function["Properties"].get("Runtime") != _RUNTIME:
                yield violation(stack, "function-runtime", logical_id, f"use {_RUNTIME}")


def published_versions(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that cameras run published versions, which are retained, and never $LATEST."""
    for stack in stacks:
        versions = _published(stack)
        for logical_id, version in stack.definitions("AWS::Lambda::Version"):
            if version.get("DeletionPolicy") != "Retain":
                yield violation(
                    stack, "published-versions", logical_id, "set its DeletionPolicy to Retain"
                )
        for logical_id, resource in stack.definitions(_COMPONENT):
            definition = _lambda_definition(resource)
            if definition and definition["lambdaArn"].strip("${}") not in versions:
                yield violation(
                    stack,
                    "published-versions",
                    logical_id,
                    f"lambdaArn: expected a published version; got {definition['lambdaArn']}",
                )


def recipes(stacks: list[Stack]) -> Iterator[Violation]:
    """Require the documented keys, size limit and artifact settings of recipes."""
    for stack, logical_id, recipe, content in _recipes(stacks):
        if missing := _RECIPE_KEYS - recipe.keys():
            yield violation(stack, "recipe-form", logical_id, f"add {', '.join(sorted(missing))}")
        if len(content.encode()) > _LARGEST_RECIPE_BYTES:
            yield violation(
                stack,
                "recipe-form",
                logical_id,
                f"Greengrass accepts at most {_LARGEST_RECIPE_BYTES} bytes",
            )
        for artifact in _artifacts(recipe):
            if artifact.get("Unarchive", "NONE") not in _UNARCHIVE:
                yield violation(
                    stack,
                    "recipe-form",
                    logical_id,
                    f"set Unarchive to {' or '.join(sorted(_UNARCHIVE))}",
                )
            if artifact.get("Permission", {}).get("Read") != "ALL":
                yield violation(
                    stack,
                    "recipe-form",
                    logical_id,
                    "set Permission.Read to ALL: other components read it",
                )


def exact_artifacts(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that recipes refer to objects of their environment's bucket by digest."""
    bucket = re.escape(str(model_bucket(stacks)))
    exact = re.compile(rf"s3://{bucket}/components/[a-z0-9-]+/{_DIGEST}/[a-z.]+")
    for stack, logical_id, recipe, _ in _recipes(stacks):
        for artifact in _artifacts(recipe):
            if not exact.fullmatch(artifact["Uri"]):
                yield violation(
                    stack,
                    "exact-artifacts",
                    logical_id,
                    f"{artifact['Uri']}: expected components/<name>/<SHA-256>/ "
                    "of the environment's bucket",
                )


def artifact_digests(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that the custom resource receives the digest in each artifact's URI."""
    for stack in stacks:
        for logical_id, resource in stack.definitions(_COMPONENT):
            expected_digests = resource["Properties"].get("ArtifactSha256") or {}
            for artifact in _artifacts(_recipe(resource) or {}):
                digest = artifact["Uri"].split("/")[-2]
                if expected_digests.get(artifact["Uri"]) != digest:
                    given = expected_digests.get(artifact["Uri"]) or "nothing"
                    advice = f"ArtifactSha256 of {artifact['Uri']}: expected {digest}; got {given}"
                    yield violation(stack, "artifact-digests", logical_id, advice)


def gate_asks_devices(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that a rollout needs a successful device, and fails if every device fails."""
    for stack in stacks:
        for logical_id, project in stack.definitions(_PROJECT):
            rule = json.loads(text(project["Properties"]["Rollout"]))["rule"]
            for key, given, is_open, expected in (
                ("success_percent", rule["success_percent"], rule["success_percent"] <= 0, "> 0"),
                ("error_percent", rule["error_percent"], rule["error_percent"] >= _ALL, "< 100"),
            ):
                if is_open:
                    advice = f"[rollout] {key} = {given:g}: expected {expected}"
                    yield violation(stack, "gate-asks-devices", logical_id, advice)


def pinned_dependencies(stacks: list[Stack]) -> Iterator[Violation]:
    """Require exact versions of dependencies, because a release is one model and one function."""
    for stack in stacks:
        for logical_id, resource in stack.definitions(_COMPONENT):
            definition = _lambda_definition(resource) or {}
            recipe = _recipe(resource) or {}
            needed = definition.get("componentDependencies") or recipe.get("ComponentDependencies")
            for name, dependency in (needed or {}).items():
                requirement = dependency.get("versionRequirement") or dependency.get(
                    "VersionRequirement"
                )
                if not str(requirement).startswith("="):
                    yield violation(
                        stack,
                        "pinned-dependencies",
                        logical_id,
                        f"{name} {requirement}: pin it with =",
                    )


def camera_loop(stacks: list[Stack]) -> Iterator[Violation]:
    """Require a pinned camera loop without a container, and with a model digest."""
    for stack in stacks:
        for logical_id, resource in stack.definitions(_COMPONENT):
            definition = _lambda_definition(resource)
            if definition is None:
                continue
            parameters = definition["componentLambdaParameters"]
            mode = parameters.get("linuxProcessParams", {}).get("isolationMode")
            if not parameters.get("pinned"):
                yield violation(
                    stack,
                    "camera-loop",
                    logical_id,
                    "set pinned to true: otherwise the loop ends at once",
                )
            if mode != "NoContainer":
                yield violation(
                    stack, "camera-loop", logical_id, "set isolationMode to NoContainer"
                )
            if not parameters["environmentVariables"].get("DEEPLENS_MODEL_DIGEST"):
                yield violation(stack, "camera-loop", logical_id, "set DEEPLENS_MODEL_DIGEST")


def one_digest(stacks: list[Stack]) -> Iterator[Violation]:
    """Require the same digest in the artifact, the recipe, the function's variable and the gate."""
    for stack in stacks:
        digests = {
            f"{logical_id}.{key}": text(resource["Properties"][key])
            for types, key in (("Custom::ModelArtifact", "Sha256"), (_PROJECT, "ModelDigest"))
            for logical_id, resource in stack.definitions(types)
            if text(resource["Properties"].get("Key", _MODEL)).endswith(_MODEL)
        }
        for logical_id, resource in stack.definitions(_COMPONENT):
            definition = _lambda_definition(resource)
            if definition is not None:
                variables = definition["componentLambdaParameters"]["environmentVariables"]
                digests[f"{logical_id}.DEEPLENS_MODEL_DIGEST"] = str(
                    variables.get("DEEPLENS_MODEL_DIGEST")
                )
            for artifact in _artifacts(_recipe(resource) or {}):
                if artifact["Uri"].endswith(_MODEL):
                    digests[f"{logical_id}.Uri"] = artifact["Uri"].split("/")[-2]
        if len(set(digests.values())) > 1:
            listing = ", ".join(f"{at} {digest[:12]}" for at, digest in sorted(digests.items()))
            yield violation(stack, "one-digest", "Project", f"these digests differ: {listing}")


def complete_deployments(stacks: list[Stack]) -> Iterator[Violation]:
    """Require deployments with each component in an exact version; devices remove the others."""
    for stack in stacks:
        own = {
            (_recipe(resource) or {}).get("ComponentName")
            or (_lambda_definition(resource) or {}).get("componentName")
            for _, resource in stack.definitions(_COMPONENT)
        }
        for logical_id, project in stack.definitions(_PROJECT):
            components = json.loads(text(project["Properties"]["Components"]))
            # A fleet without Lambda components may run nucleus lite, which deployments do not
            # contain.
            classic = any(
                _lambda_definition(resource) for _, resource in stack.definitions(_COMPONENT)
            )
            core = {"aws.greengrass.Nucleus"} if classic else set()
            if missing := (own | core) - components.keys():
                yield violation(
                    stack, "complete-deployments", logical_id, f"add {', '.join(map(str, missing))}"
                )
            for name, component in components.items():
                if not re.fullmatch(
                    r"([0-9]+|\$\{[^}]+\})\.[0-9]+\.[0-9]+", component["componentVersion"]
                ):
                    yield violation(
                        stack, "complete-deployments", logical_id, f"pin {name} to an exact version"
                    )


def own_topics(stacks: list[Stack]) -> Iterator[Violation]:
    """Require exact topics in access controls, and only operations that publish or subscribe.

    Of the reserved topics, only those of the device's own shadow are allowed.
    """
    for stack in stacks:
        for logical_id, project in stack.definitions(_PROJECT):
            components = json.loads(text(project["Properties"]["Components"]))
            for name, operation, resource in _accesses(components):
                if operation not in _OPERATIONS:
                    yield violation(
                        stack, "own-topics", logical_id, f"remove {operation} from {name}"
                    )
                if re.search(r"[*+#]", resource) or (
                    resource.startswith("$") and not resource.startswith(_OWN_SHADOW)
                ):
                    yield violation(
                        stack,
                        "own-topics",
                        logical_id,
                        f"{name}: expected a topic of the component; got {resource}",
                    )


def _accesses(components: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield component, operation and resource of every access control in a deployment."""
    for name, component in components.items():
        merge = json.loads(component.get("configurationUpdate", {}).get("merge", "{}"))
        for policies in merge.get("accessControl", {}).values():
            for policy in policies.values():
                for operation in policy["operations"]:
                    for resource in policy["resources"]:
                        yield name, operation, resource


def devices_roll_back(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that a failed deployment restores the previous components.

    Nucleus lite ignores this setting.
    """
    for stack in stacks:
        for logical_id, project in stack.definitions(_PROJECT):
            policies = json.loads(text(project["Properties"]["DeploymentPolicies"]))
            if policies.get("failureHandlingPolicy") != "ROLLBACK":
                yield violation(
                    stack, "devices-roll-back", logical_id, "set failureHandlingPolicy to ROLLBACK"
                )


def log_retention(stacks: list[Stack]) -> Iterator[Violation]:
    """Require a retention of log groups, because logs cost money and may contain personal data."""
    for stack in stacks:
        for logical_id, group in stack.definitions("AWS::Logs::LogGroup"):
            if "RetentionInDays" not in group["Properties"]:
                yield violation(stack, "log-retention", logical_id, "set RetentionInDays")


def _published(stack: Stack) -> dict[str, str]:
    """Return the function of each published version, by the version's logical id."""
    return {
        logical_id: text(version["Properties"]["FunctionName"])
        for logical_id, version in stack.definitions("AWS::Lambda::Version")
    }


def _recipes(stacks: list[Stack]) -> Iterator[tuple[Stack, str, dict[str, Any], str]]:
    for stack in stacks:
        for logical_id, resource in stack.definitions(_COMPONENT):
            recipe = _recipe(resource)
            if recipe is not None:
                yield stack, logical_id, recipe, text(resource["Properties"]["Recipe"])


def _recipe(resource: dict[str, Any]) -> dict[str, Any] | None:
    content = resource["Properties"].get("Recipe")
    return json.loads(text(content)) if content else None


def _lambda_definition(resource: dict[str, Any]) -> dict[str, Any] | None:
    content = resource["Properties"].get("LambdaFunction")
    return json.loads(text(content)) if content else None


def _artifacts(recipe: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for manifest in recipe.get("Manifests", []):
        yield from manifest.get("Artifacts", [])


RULES: tuple[Rule, ...] = (
    no_greengrass_v1,
    own_greengrass_resources,
    function_properties,
    published_versions,
    recipes,
    exact_artifacts,
    artifact_digests,
    gate_asks_devices,
    pinned_dependencies,
    camera_loop,
    one_digest,
    complete_deployments,
    own_topics,
    devices_roll_back,
    log_retention,
)
