"""A cloud assembly as CloudFormation will get it: its stacks and their templates."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Artifact:
    """One entry of an assembly's manifest.

    Attributes:
        environment: the stage that it belongs to, empty outside of every stage.
        folder: what paths in `content` are relative to.
        content: the entry as CDK wrote it.
    """

    environment: str
    folder: Path
    id: str
    content: dict[str, Any]

    @property
    def type(self) -> str:
        """CDK's name of the kind of artifact."""
        return str(self.content["type"])

    @property
    def properties(self) -> dict[str, Any]:
        """What is particular to the type."""
        properties: dict[str, Any] = self.content.get("properties", {})
        return properties

    @property
    def home(self) -> tuple[str, str]:
        """Account and Region of a stack."""
        account, region = str(self.content["environment"]).removeprefix("aws://").split("/")
        return account, region


@dataclass(frozen=True)
class SynthesizedStack:
    """One stack: its template, and what the deploy is told beside it."""

    name: str
    environment: str
    account: str
    file: Path
    template: dict[str, Any]
    termination_protection: bool


def artifacts(folder: Path, environment: str = "") -> Iterator[Artifact]:
    """Yield what the assembly's manifests name, stage by stage; other files there are stale.

    Raises:
        FileNotFoundError: there is no assembly in `folder`.
    """
    for id_, content in read_json(folder / "manifest.json").get("artifacts", {}).items():
        artifact = Artifact(environment, folder, id_, content)
        if artifact.type == "cdk:cloud-assembly":
            stage = artifact.properties.get("displayName", id_)
            yield from artifacts(folder / artifact.properties["directoryName"], stage)
        else:
            yield artifact


def read_assembly(folder: Path = ROOT / "cdk.out") -> list[SynthesizedStack]:
    """Read every stack of the assembly, in the order of their names.

    Raises:
        FileNotFoundError: there is no assembly in `folder`.
    """
    stacks = []
    for one in artifacts(folder):
        if one.type == "aws:cloudformation:stack":
            file = one.folder / one.properties["templateFile"]
            stacks.append(
                SynthesizedStack(
                    name=one.properties.get("stackName", one.id),
                    environment=one.environment,
                    account=one.home[0],
                    file=file,
                    template=read_json(file),
                    termination_protection=one.properties.get("terminationProtection", False),
                )
            )
    return sorted(stacks, key=lambda stack: stack.name)


def environments_id(folder: Path) -> str:
    """Return the SHA-256 of every environment's templates, which name their assets by hash.

    Stacks outside of every environment do not count: whether there is a pipeline does not change
    what the environments get.

    Raises:
        FileNotFoundError: there is no assembly in `folder`.
    """
    digests = sorted(
        (stack.name, hashlib.sha256(stack.file.read_bytes()).hexdigest())
        for stack in read_assembly(folder)
        if stack.environment
    )
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def read_json(file: Path) -> dict[str, Any]:
    """Read a file of the assembly."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
