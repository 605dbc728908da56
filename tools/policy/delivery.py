"""Rules about pipelines: builds, gates, approvals, artifacts."""

import json
from collections.abc import Iterator
from typing import Any

from tools.policy.reading import Finding, Rule, Stack, text

_PIPELINE = "AWS::CodePipeline::Pipeline"
_Actions = list[dict[str, Any]]


def no_privileged_builds(stacks: list[Stack]) -> Iterator[Finding]:
    """A privileged build is root on its host: no build here makes container images."""
    for stack in stacks:
        for logical_id, project in stack.resources("AWS::CodeBuild::Project"):
            if project["Properties"].get("Environment", {}).get("PrivilegedMode"):
                yield stack.finding(
                    "no-privileged-builds", logical_id, "PrivilegedMode is true: set it to false"
                )


def gates_follow_deploys(stacks: list[Stack]) -> Iterator[Finding]:
    """Each environment's stage ends with the gate that asks its cameras for the digest."""
    for stack in stacks:
        for logical_id, environment, actions in environment_stages(stack):
            gates = [_order(one) for one in actions if _is_gate(stack, one, environment)]
            last = max(_order(one) for one in actions if provider(one) == "CloudFormation")
            if not gates or min(gates) <= last:
                given = f"it runs at {min(gates)}, the last deploy at {last}" if gates else "none"
                yield stack.finding(
                    "gates-follow-deploys",
                    logical_id,
                    f"stage {environment}: expected a build with `release check {environment} "
                    f"--digest …` after every deploy; got {given}",
                )


def approvals_come_first(stacks: list[Stack]) -> Iterator[Finding]:
    """An approval protects only what runs after it."""
    for stack in stacks:
        for logical_id, environment, actions in environment_stages(stack):
            approvals = [_order(one) for one in actions if provider(one) == "Manual"]
            first = min(_order(one) for one in actions if provider(one) != "Manual")
            if approvals and max(approvals) >= first:
                yield stack.finding(
                    "approvals-come-first",
                    logical_id,
                    f"stage {environment}: the approval runs at {max(approvals)}, another action "
                    f"at {first}: give the approval the lowest RunOrder",
                )


def artifacts_expire(stacks: list[Stack]) -> Iterator[Finding]:
    """A pipeline's artifacts are made from git again: they do not accumulate for ever."""
    for stack in stacks:
        for _, pipeline in stack.resources(_PIPELINE):
            store = text(pipeline["Properties"]["ArtifactStore"]["Location"]).strip("${}")
            bucket = stack.template["Resources"].get(store, {}).get("Properties", {})
            rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
            if not any(
                one.get("Status") == "Enabled" and "ExpirationInDays" in one for one in rules
            ):
                yield stack.finding(
                    "artifacts-expire", store, "add an enabled lifecycle rule with ExpirationInDays"
                )


def environment_stages(stack: Stack) -> Iterator[tuple[str, str, _Actions]]:
    """Yield pipeline, stage name and actions of each stage that deploys stacks."""
    for logical_id, pipeline in stack.resources(_PIPELINE):
        for stage in pipeline["Properties"]["Stages"]:
            actions: _Actions = stage["Actions"]
            if any(provider(one) == "CloudFormation" for one in actions):
                yield logical_id, stage["Name"], actions


def provider(action: dict[str, Any]) -> str:
    """Return which service carries an action out."""
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
