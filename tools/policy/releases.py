"""What runs on cameras: published versions, verified artifacts, complete deployments."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tools.policy.reading import Finding, Rule, Stack, model_bucket, text

_COMPONENT = "Custom::GreengrassComponent"
_PROJECT = "Custom::DeepLensProject"
_MAX_RECIPE_BYTES = 16_000
_RECIPE_KEYS = {"RecipeFormatVersion", "ComponentName", "ComponentVersion", "Manifests"}
_ALL = 100
_UNARCHIVE = {"NONE", "ZIP"}
_DIGEST = r"(?:[0-9a-f]{64}|DIGEST)"
_RUNTIME = "python3.12"
_MODEL = "/model.zip"
_OPERATIONS = {"aws.greengrass#PublishToIoTCore", "aws.greengrass#SubscribeToIoTCore"}
_OWN_SHADOW = "$aws/things/{iot:thingName}/shadow/name/deeplens/"


def no_greengrass_v1(stacks: list[Stack]) -> Iterator[Finding]:
    """Greengrass V1 is closed."""
    for stack in stacks:
        for logical_id, resource in stack.resources():
            if resource["Type"].startswith("AWS::Greengrass::"):
                yield stack.finding("no-greengrass-v1", logical_id, "use Greengrass V2")


def own_greengrass_resources(stacks: list[Stack]) -> Iterator[Finding]:
    """CloudFormation's own types cannot roll back, and are done before a device moved."""
    for stack in stacks:
        for logical_id, resource in stack.resources():
            if resource["Type"].startswith("AWS::GreengrassV2::"):
                yield stack.finding(
                    "own-greengrass-resources", logical_id, f"use {_COMPONENT} and {_PROJECT}"
                )


def function_as_deeplens_wants(stacks: list[Stack]) -> Iterator[Finding]:
    """A camera's function has the name that DeepLens looks for, and a runtime that cameras have."""
    for stack in stacks:
        versions = _published(stack)
        for logical_id, function in stack.resources("AWS::Lambda::Function"):
            name = text(function["Properties"].get("FunctionName", ""))
            runs_on_cameras = f"${{{logical_id}}}" in versions.values()
            if runs_on_cameras and not name.startswith("deeplens-"):
                yield stack.finding("function-name", logical_id, "begin its name with deeplens-")
            if function["Properties"].get("Runtime") != _RUNTIME:
                yield stack.finding("function-runtime", logical_id, f"use {_RUNTIME}")


def published_versions(stacks: list[Stack]) -> Iterator[Finding]:
    """Cameras run published versions, which are kept: never $LATEST, which changes below them."""
    for stack in stacks:
        versions = _published(stack)
        for logical_id, version in stack.resources("AWS::Lambda::Version"):
            if version.get("DeletionPolicy") != "Retain":
                yield stack.finding("published-versions", logical_id, "keep it: Retain")
        for logical_id, resource in stack.resources(_COMPONENT):
            definition = _lambda_definition(resource)
            if definition and definition["lambdaArn"].strip("${}") not in versions:
                yield stack.finding(
                    "published-versions",
                    logical_id,
                    f"name a published version, not {definition['lambdaArn']}",
                )


def recipes(stacks: list[Stack]) -> Iterator[Finding]:
    """Recipes have the published form and size."""
    for stack, logical_id, recipe, content in _recipes(stacks):
        if missing := _RECIPE_KEYS - recipe.keys():
            yield stack.finding("recipe-form", logical_id, f"add {', '.join(sorted(missing))}")
        if len(content.encode()) > _MAX_RECIPE_BYTES:
            yield stack.finding(
                "recipe-form", logical_id, f"at most {_MAX_RECIPE_BYTES} bytes are accepted"
            )
        for artifact in _artifacts(recipe):
            if artifact.get("Unarchive", "NONE") not in _UNARCHIVE:
                yield stack.finding(
                    "recipe-form", logical_id, f"Unarchive is {' or '.join(sorted(_UNARCHIVE))}"
                )
            if artifact.get("Permission", {}).get("Read") != "ALL":
                yield stack.finding(
                    "recipe-form", logical_id, "Permission.Read: ALL, other components read it"
                )


def exact_artifacts(stacks: list[Stack]) -> Iterator[Finding]:
    """A recipe names one object of this environment's bucket, by its digest."""
    bucket = re.escape(str(model_bucket(stacks)))
    exact = re.compile(rf"s3://{bucket}/components/[a-z0-9-]+/{_DIGEST}/[a-z.]+")
    for stack, logical_id, recipe, _ in _recipes(stacks):
        for artifact in _artifacts(recipe):
            if not exact.fullmatch(artifact["Uri"]):
                yield stack.finding(
                    "exact-artifacts",
                    logical_id,
                    f"{artifact['Uri']}: expected components/<name>/<SHA-256>/ "
                    "of the environment's own bucket",
                )


def artifact_digests(stacks: list[Stack]) -> Iterator[Finding]:
    """Greengrass' own digest of each artifact is compared with the one in its address."""
    for stack in stacks:
        for logical_id, resource in stack.resources(_COMPONENT):
            promised = resource["Properties"].get("ArtifactSha256") or {}
            for artifact in _artifacts(_recipe(resource) or {}):
                digest = artifact["Uri"].split("/")[-2]
                if promised.get(artifact["Uri"]) != digest:
                    given = promised.get(artifact["Uri"]) or "nothing"
                    advice = f"ArtifactSha256 of {artifact['Uri']}: expected {digest}; got {given}"
                    yield stack.finding("artifact-digests", logical_id, advice)


def gate_asks_devices(stacks: list[Stack]) -> Iterator[Finding]:
    """A rollout needs at least one device, and fails if every device fails."""
    for stack in stacks:
        for logical_id, project in stack.resources(_PROJECT):
            rule = json.loads(text(project["Properties"]["Rollout"]))["rule"]
            for key, given, is_open, expected in (
                ("success_percent", rule["success_percent"], rule["success_percent"] <= 0, "> 0"),
                ("error_percent", rule["error_percent"], rule["error_percent"] >= _ALL, "< 100"),
            ):
                if is_open:
                    advice = f"[rollout] {key} = {given:g}: expected {expected}"
                    yield stack.finding("gate-asks-devices", logical_id, advice)


def pinned_dependencies(stacks: list[Stack]) -> Iterator[Finding]:
    """A release is one model and one function: neither moves by itself."""
    for stack in stacks:
        for logical_id, resource in stack.resources(_COMPONENT):
            definition = _lambda_definition(resource) or {}
            recipe = _recipe(resource) or {}
            needed = definition.get("componentDependencies") or recipe.get("ComponentDependencies")
            for name, dependency in (needed or {}).items():
                wanted = dependency.get("versionRequirement") or dependency.get(
                    "VersionRequirement"
                )
                if not str(wanted).startswith("="):
                    yield stack.finding(
                        "pinned-dependencies", logical_id, f"{name} {wanted}: pin it with ="
                    )


def camera_loop(stacks: list[Stack]) -> Iterator[Finding]:
    """The loop runs for ever, outside a container, and is told its model's digest."""
    for stack in stacks:
        for logical_id, resource in stack.resources(_COMPONENT):
            definition = _lambda_definition(resource)
            if definition is None:
                continue
            parameters = definition["componentLambdaParameters"]
            mode = parameters.get("linuxProcessParams", {}).get("isolationMode")
            if not parameters.get("pinned"):
                yield stack.finding("camera-loop", logical_id, "pinned: true, or it ends at once")
            if mode != "NoContainer":
                yield stack.finding("camera-loop", logical_id, "isolationMode: NoContainer")
            if not parameters["environmentVariables"].get("DEEPLENS_MODEL_DIGEST"):
                yield stack.finding("camera-loop", logical_id, "tell it DEEPLENS_MODEL_DIGEST")


def one_digest(stacks: list[Stack]) -> Iterator[Finding]:
    """What is published, what the function is told and what the gate waits for is one artifact."""
    for stack in stacks:
        found = {
            f"{logical_id}.{key}": text(resource["Properties"][key])
            for types, key in (("Custom::ModelArtifact", "Sha256"), (_PROJECT, "ModelDigest"))
            for logical_id, resource in stack.resources(types)
            if text(resource["Properties"].get("Key", _MODEL)).endswith(_MODEL)
        }
        for logical_id, resource in stack.resources(_COMPONENT):
            definition = _lambda_definition(resource)
            if definition is not None:
                variables = definition["componentLambdaParameters"]["environmentVariables"]
                found[f"{logical_id}.DEEPLENS_MODEL_DIGEST"] = str(
                    variables.get("DEEPLENS_MODEL_DIGEST")
                )
            for artifact in _artifacts(_recipe(resource) or {}):
                if artifact["Uri"].endswith(_MODEL):
                    found[f"{logical_id}.Uri"] = artifact["Uri"].split("/")[-2]
        if len(set(found.values())) > 1:
            said = ", ".join(f"{where} {digest[:12]}" for where, digest in sorted(found.items()))
            yield stack.finding("one-digest", "Project", f"these differ: {said}")


def complete_deployments(stacks: list[Stack]) -> Iterator[Finding]:
    """A deployment names every component, exactly: what is left out is removed from devices."""
    for stack in stacks:
        own = {
            (_recipe(resource) or {}).get("ComponentName")
            or (_lambda_definition(resource) or {}).get("componentName")
            for _, resource in stack.resources(_COMPONENT)
        }
        for logical_id, project in stack.resources(_PROJECT):
            components = json.loads(text(project["Properties"]["Components"]))
            # A fleet without Lambda components may run nucleus lite, which no deployment contains.
            classic = any(_lambda_definition(one) for _, one in stack.resources(_COMPONENT))
            core = {"aws.greengrass.Nucleus"} if classic else set()
            if missing := (own | core) - components.keys():
                yield stack.finding(
                    "complete-deployments", logical_id, f"add {', '.join(map(str, missing))}"
                )
            for name, component in components.items():
                if not re.fullmatch(
                    r"([0-9]+|\$\{[^}]+\})\.[0-9]+\.[0-9]+", component["componentVersion"]
                ):
                    yield stack.finding(
                        "complete-deployments", logical_id, f"pin {name} to an exact version"
                    )


def own_topics(stacks: list[Stack]) -> Iterator[Finding]:
    """A component publishes and hears topics by name; of AWS' own, only its thing's shadow."""
    for stack in stacks:
        for logical_id, project in stack.resources(_PROJECT):
            components = json.loads(text(project["Properties"]["Components"]))
            for name, operation, resource in _accesses(components):
                if operation not in _OPERATIONS:
                    yield stack.finding("own-topics", logical_id, f"take {operation} from {name}")
                if re.search(r"[*+#]", resource) or (
                    resource.startswith("$") and not resource.startswith(_OWN_SHADOW)
                ):
                    yield stack.finding(
                        "own-topics", logical_id, f"name {name}'s own topic, not {resource}"
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


def devices_roll_back(stacks: list[Stack]) -> Iterator[Finding]:
    """The classic nucleus restores the previous components after a failure; lite ignores this."""
    for stack in stacks:
        for logical_id, project in stack.resources(_PROJECT):
            policies = json.loads(text(project["Properties"]["DeploymentPolicies"]))
            if policies.get("failureHandlingPolicy") != "ROLLBACK":
                yield stack.finding("devices-roll-back", logical_id, "ROLLBACK on failure")


def kept_logs(stacks: list[Stack]) -> Iterator[Finding]:
    """Logs end some day: for cost, and because pictures' labels are personal data somewhere."""
    for stack in stacks:
        for logical_id, group in stack.resources("AWS::Logs::LogGroup"):
            if "RetentionInDays" not in group["Properties"]:
                yield stack.finding("kept-logs", logical_id, "set RetentionInDays")


def _published(stack: Stack) -> dict[str, str]:
    """Return the function of every published version, by the version's logical id."""
    return {
        logical_id: text(version["Properties"]["FunctionName"])
        for logical_id, version in stack.resources("AWS::Lambda::Version")
    }


def _recipes(stacks: list[Stack]) -> Iterator[tuple[Stack, str, dict[str, Any], str]]:
    for stack in stacks:
        for logical_id, resource in stack.resources(_COMPONENT):
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
    function_as_deeplens_wants,
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
    kept_logs,
)
