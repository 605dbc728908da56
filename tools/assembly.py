"""A cloud assembly as CloudFormation will get it: its stacks and their templates."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class SynthesizedStack:
    """One stack: its template, and what the deploy is told beside it."""

    name: str
    environment: str
    account: str
    file: Path
    template: dict[str, Any]
    termination_protection: bool


def read_assembly(folder: Path = ROOT / "cdk.out") -> list[SynthesizedStack]:
    """Read the stacks that the assembly's manifest names; other files there are stale.

    Raises:
        FileNotFoundError: there is no assembly in `folder`.
    """
    stacks = []
    for id_, artifact in _artifacts(folder).items():
        if artifact["type"] != "cdk:cloud-assembly":
            continue
        nested = folder / artifact["properties"]["directoryName"]
        for inner in _artifacts(nested).values():
            if inner["type"] == "aws:cloudformation:stack":
                properties = inner["properties"]
                file = nested / properties["templateFile"]
                stacks.append(
                    SynthesizedStack(
                        name=properties["stackName"],
                        environment=id_.removeprefix("assembly-"),
                        # aws://account/region
                        account=inner["environment"].split("/")[2],
                        file=file,
                        template=json.loads(file.read_text(encoding="utf-8")),
                        termination_protection=properties.get("terminationProtection", False),
                    )
                )
    return sorted(stacks, key=lambda stack: stack.name)


def _artifacts(folder: Path) -> dict[str, Any]:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    artifacts: dict[str, Any] = manifest["artifacts"]
    return artifacts
