"""Assemblies with a pipeline, and the execution of the pipeline."""

import json
from pathlib import Path
from typing import Any

from deeplens.local.pipeline.definition import read_pipeline
from deeplens.local.pipeline.execution import Execution


def action(name: str, provider: str, order: int = 1, **configuration: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "RunOrder": order,
        "ActionTypeId": {"Provider": provider},
        "Configuration": configuration,
    }


def build(name: str, order: int = 1) -> dict[str, Any]:
    return action(name, "CodeBuild", order, ProjectName={"Ref": name})


def execution(
    root: Path,
    *stages: tuple[str, list[dict[str, Any]]],
    approver: str | None = None,
    **commands: str,
) -> tuple[Execution, list[str]]:
    """Write an assembly with a pipeline; return its execution and the list that receives output."""
    projects = {
        name: {
            "Type": "AWS::CodeBuild::Project",
            "Properties": {
                "Source": {"BuildSpec": json.dumps({"phases": {"build": {"commands": [command]}}})}
            },
        }
        for name, command in commands.items()
    }
    pipeline = {
        "Type": "AWS::CodePipeline::Pipeline",
        "Properties": {"Stages": [{"Name": name, "Actions": acts} for name, acts in stages]},
    }
    assembly = root / "cdk.out"
    assembly.mkdir()
    stack = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://999999999999/eu-central-1",
        "properties": {"templateFile": "Delivery.template.json"},
    }
    (assembly / "manifest.json").write_text(json.dumps({"artifacts": {"Delivery": stack}}))
    content = {"Resources": {**projects, "Pipeline": pipeline}}
    (assembly / "Delivery.template.json").write_text(json.dumps(content))
    said: list[str] = []
    made = Execution(
        read_pipeline(assembly),
        root,
        "http://127.0.0.1:9",
        "secret",
        lambda request: (approver, request) if approver else None,
        said.append,
    )
    return made, said
