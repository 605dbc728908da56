"""The pipeline that a cloud assembly defines."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeplens.assembly import read_assembly
from deeplens.local.pipeline import PipelineError

# CodePipeline's default timeout of an approval: seven days.
APPROVAL_MINUTES = 7 * 24 * 60


@dataclass(frozen=True)
class Action:
    """One action of a stage.

    Attributes:
        provider: CodePipeline's name of the action provider, for example `CloudFormation`.
        order: the position within the stage, lowest first.
        role_arn: the role of the action; empty for the role of the pipeline.
        commands: the build commands of a CodeBuild project.
        timeout_minutes: validity of an approval, in minutes.
    """

    name: str
    provider: str
    order: int
    configuration: dict[str, Any]
    role_arn: str
    commands: tuple[str, ...] = ()
    timeout_minutes: int = APPROVAL_MINUTES


@dataclass(frozen=True)
class Stage:
    """A stage with its actions in the order of their execution."""

    name: str
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Pipeline:
    """A pipeline, the assembly that contains it, and its account and Region."""

    assembly: Path
    account: str
    region: str
    stages: tuple[Stage, ...]

    def template(self, action: Action) -> Path:
        """Return the path of a deploy action's template."""
        return self.assembly / str(action.configuration["TemplatePath"]).partition("::")[2]


def read_pipeline(assembly: Path) -> Pipeline:
    """Return the first pipeline in a cloud assembly.

    Raises:
        PipelineError: the folder contains no assembly, or the assembly contains no pipeline.
    """
    try:
        stacks = read_assembly(assembly)
    except FileNotFoundError:
        raise PipelineError(
            f"{assembly} is not a cloud assembly; `cdk synth` creates one"
        ) from None
    for stack in stacks:
        resources = stack.template.get("Resources", {})
        for resource in resources.values():
            if resource["Type"] == "AWS::CodePipeline::Pipeline":
                stages = tuple(
                    _stage(assembly, resources, stage) for stage in resource["Properties"]["Stages"]
                )
                return Pipeline(assembly, stack.account, stack.region, stages)
    raise PipelineError(
        f"{assembly} contains no pipeline; add environments/delivery.toml, then run `cdk synth`"
    )


def fingerprint(assembly: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of the assembly by path, to detect changes."""
    return {
        file.relative_to(assembly).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(assembly.rglob("*"))
        if file.is_file()
    }


def _stage(assembly: Path, resources: dict[str, Any], stage: dict[str, Any]) -> Stage:
    actions = [_action(assembly, resources, action) for action in stage["Actions"]]
    return Stage(stage["Name"], tuple(sorted(actions, key=lambda action: action.order)))


def _action(assembly: Path, resources: dict[str, Any], action: dict[str, Any]) -> Action:
    configuration = action.get("Configuration", {})
    provider = action["ActionTypeId"]["Provider"]
    role = action.get("RoleArn", "")
    commands: tuple[str, ...] = ()
    if provider == "CodeBuild":
        project = resources[configuration["ProjectName"]["Ref"]]
        commands = _commands(assembly, project["Properties"]["Source"]["BuildSpec"])
    return Action(
        name=action["Name"],
        provider=provider,
        order=int(action.get("RunOrder", 1)),
        configuration=configuration,
        role_arn=role if isinstance(role, str) else "",
        commands=commands,
        timeout_minutes=int(action.get("TimeoutInMinutes", APPROVAL_MINUTES)),
    )


def _commands(assembly: Path, buildspec: str) -> tuple[str, ...]:
    """Return the build commands of a buildspec, which is JSON or a file name in the assembly."""
    text = buildspec
    if not buildspec.startswith("{"):
        text = (assembly / buildspec).read_text(encoding="utf-8")
    return tuple(json.loads(text)["phases"]["build"]["commands"])
