"""Rules about pipelines: builds, gates, approvals, artifacts."""

import json
from collections.abc import Iterator
from typing import Any

from deeplens.assembly import Stack, text
from deeplens.policy.violation import Rule, Violation, violation

_PIPELINE = "AWS::CodePipeline::Pipeline"
_Actions = list[dict[str, Any]]


def no_privileged_builds(stacks: list[Stack]) -> Iterator[Violation]:
    """Reject builds in privileged mode, because no build creates a container image."""
    for stack in stacks:
        for logical_id, project in stack.definitions("AWS::CodeBuild::Project"):
            if project["Properties"].get("Environment", {}).get("PrivilegedMode"):
                yield violation(
                    stack,
                    "no-privileged-builds",
                    logical_id,
                    "PrivilegedMode is true: set it to false",
                )


def gates_follow_deploys(stacks: list[Stack]) -> Iterator[Violation]:
    """Require a gate (`release check`) after the last deploy in the stage of an environment."""
    for stack in stacks:
        for logical_id, environment, actions in environment_stages(stack):
            gates = [_order(action) for action in actions if _is_gate(stack, action, environment)]
            last = max(_order(action) for action in actions if provider(action) == "CloudFormation")
            if not gates or min(gates) <= last:
                given = f"it runs at {min(gates)}, the last deploy at {last}" if gates else "none"
                yield violation(
                    stack,
                    "gates-follow-deploys",
                    logical_id,
                    f"stage {environment}: expected a build with `release check {environment} "
                    f"--digest …` after every deploy; got {given}",
                )


def approvals_come_first(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that approvals run first in a stage, because they protect only later actions."""
    for stack in stacks:
        for logical_id, environment, actions in environment_stages(stack):
            approvals = [_order(action) for action in actions if provider(action) == "Manual"]
            first = min(_order(action) for action in actions if provider(action) != "Manual")
            if approvals and max(approvals) >= first:
                yield violation(
                    stack,
                    "approvals-come-first",
                    logical_id,
                    f"stage {environment}: the approval runs at {max(approvals)}, another action "
                    f"at {first}: give the approval the lowest RunOrder",
                )


def artifacts_expire(stacks: list[Stack]) -> Iterator[Violation]:
    """Require an expiry of pipeline artifacts, because they can be built again from git."""
    for stack in stacks:
        for _, pipeline in stack.definitions(_PIPELINE):
            store = text(pipeline["Properties"]["ArtifactStore"]["Location"]).strip("${}")
            bucket = stack.template["Resources"].get(store, {}).get("Properties", {})
            rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
            if not any(
                rule.get("Status") == "Enabled" and "ExpirationInDays" in rule for rule in rules
            ):
                yield violation(
                    stack,
                    "artifacts-expire",
                    store,
                    "add an enabled lifecycle rule with ExpirationInDays",
                )


def environment_stages(stack: Stack) -> Iterator[tuple[str, str, _Actions]]:
    """Yield the pipeline's logical id, stage name and actions of each stage that deploys stacks."""
    for logical_id, pipeline in stack.definitions(_PIPELINE):
        for stage in pipeline["Properties"]["Stages"]:
            actions: _Actions = stage["Actions"]
            if any(provider(action) == "CloudFormation" for action in actions):
                yield logical_id, stage["Name"], actions


def provider(action: dict[str, Any]) -> str:
    """Return the provider of an action, for example CodeBuild."""
    return str(action["ActionTypeId"]["Provider"])


def _order(action: dict[str, Any]) -> int:
    return int(action.get("RunOrder", 1))


def _is_gate(stack: Stack, action: dict[str, Any], environment: str) -> bool:
    if provider(action) != "CodeBuild":
        return False
    name = text(action["Configuration"]["ProjectName"]).strip("${}")
    project = stack.template["Resources"].get(name, {}).get("Properties", {})
    commands = json.dumps(text(project.get("Source", {}).get("BuildSpec", "")))
    return f"release check {environment} --digest " in commands


RULES: tuple[Rule, ...] = (
    no_privileged_builds,
    gates_follow_deploys,
    approvals_come_first,
    artifacts_expire,
)
