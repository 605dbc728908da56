"""Environments, stacks, resources and assets of a cloud assembly.

Source: the schema of cloud assemblies, `aws-cdk-lib/cloud-assembly-schema`.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deeplens.assembly.intrinsics import Resolver, Value

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

OUTSIDE = "outside of the environments"
"""The name of the `Environment` with the stacks that belong to no stage."""

_STACK = "aws:cloudformation:stack"
# The logical id of `lambda.Function.currentVersion`, which ends with a hash of the published
# content.
_PUBLISHED_ID = re.compile(r"(CurrentVersion[0-9A-F]{8})([0-9a-f]{32})")


class AssemblyError(Exception):
    """Raised if a folder cannot be read as a cloud assembly."""


@dataclass(frozen=True)
class AssemblyArtifact:
    """One entry of an assembly's manifest.

    Attributes:
        environment: the name of the entry's stage; empty outside of all stages.
        folder: the base of the relative paths in `content`.
        content: the entry as CDK wrote it.
    """

    environment: str
    folder: Path
    id: str
    content: dict[str, Any]

    @property
    def type(self) -> str:
        """The type of artifact in CDK, for example `aws:cloudformation:stack`."""
        return str(self.content["type"])

    @property
    def properties(self) -> dict[str, Any]:
        """The properties of the entry, which depend on its type."""
        properties: dict[str, Any] = self.content.get("properties", {})
        return properties

    @property
    def aws_environment(self) -> tuple[str, str]:
        """The account and Region of an entry that is a stack."""
        account, region = str(self.content["environment"]).removeprefix("aws://").split("/")
        return account, region


@dataclass(frozen=True)
class Resource:
    """One resource of a template.

    Attributes:
        logical_id: the id in the template, without the hash of a published version.
        name: the construct's path within the stack, for example `Models/Bucket`.
        definition: the resource's part of the template.
        published: the hash in the logical id of a published Lambda version; empty for other types.
    """

    logical_id: str
    name: str
    definition: Mapping[str, Value]
    published: str = ""

    @property
    def type(self) -> str:
        """The type in CloudFormation, for example `AWS::S3::Bucket`."""
        return str(self.definition["Type"])

    @property
    def properties(self) -> Mapping[str, Value]:
        """The properties in the template."""
        properties: Mapping[str, Value] = self.definition.get("Properties", {})
        return properties


@dataclass(frozen=True)
class Stack:
    """One stack, as CloudFormation receives it.

    Attributes:
        name: the name in CloudFormation.
        template: the parsed template.
        environment: the name of the stack's stage; empty outside of all stages.
        title: the construct's name within its environment.
        file: the file of the template.
        construct_names: each construct's path within the stack, by logical id without hash.
    """

    name: str
    account: str
    template: dict[str, Any]
    termination_protection: bool = False
    environment: str = ""
    region: str = ""
    title: str = ""
    file: Path = Path("template.json")
    construct_names: Mapping[str, str] = field(default_factory=dict)

    def definitions(self, *types: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the logical id and definition of each resource, or of those of the given types."""
        for logical_id, definition in self.template.get("Resources", {}).items():
            if not types or definition["Type"] in types:
                yield logical_id, definition

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """The resources by logical id; ids and references lack the hashes of published versions."""
        hashes = {match[1]: match[2] for match in _PUBLISHED_ID.finditer(json.dumps(self.template))}
        return {
            logical_id: Resource(
                logical_id,
                self.construct_names.get(logical_id, logical_id),
                definition,
                next((hash_ for end, hash_ in hashes.items() if logical_id.endswith(end)), ""),
            )
            for logical_id, definition in self._without_hashes.get("Resources", {}).items()
        }

    @cached_property
    def exports(self) -> dict[str, Value]:
        """The value of each export with a literal name, by that name."""
        return {
            output["Export"]["Name"]: output["Value"]
            for output in self._without_hashes.get("Outputs", {}).values()
            if isinstance(output.get("Export", {}).get("Name"), str)
        }

    @cached_property
    def _without_hashes(self) -> dict[str, Any]:
        template: dict[str, Any] = json.loads(_PUBLISHED_ID.sub(r"\1", json.dumps(self.template)))
        return template


@dataclass(frozen=True)
class Environment:
    """One stage of the app, or the stacks outside of all stages.

    Attributes:
        stacks: the stacks by title.
        assets: the file or folder of each asset, by the asset's hash.
    """

    name: str
    account: str
    region: str
    stacks: Mapping[str, Stack]
    assets: Mapping[str, Path]

    def resolve(self, stack: Stack, value: Value) -> Value:
        """Return `value`, a part of `stack`'s template, with intrinsic functions as text."""

        def exported(name: str) -> str | None:
            for other in self.stacks.values():
                if name in other.exports:
                    return str(self.resolve(other, other.exports[name]))
            return None

        def refer(logical_id: str) -> str | None:
            resource = stack.resources.get(logical_id)
            return f"{stack.title}/{resource.name}" if resource else None

        resolver = Resolver(
            refer=refer,
            exported=exported,
            pseudo={
                "AWS::AccountId": self.account,
                "AWS::Region": self.region,
                "AWS::Partition": "aws",
                "AWS::StackName": stack.name,
                "AWS::URLSuffix": "amazonaws.com",
            },
        )
        return resolver.resolve(value)

    def every_resource(self) -> Iterator[tuple[Stack, Resource]]:
        """Yield each stack with each of its resources, sorted by stack title and logical id."""
        for _, stack in sorted(self.stacks.items()):
            for _, resource in sorted(stack.resources.items()):
                yield stack, resource


def artifacts(folder: Path, environment: str = "") -> Iterator[AssemblyArtifact]:
    """Yield the artifacts in the manifests of an assembly and of its stages.

    Files that no manifest lists can remain from an earlier synthesis, and are ignored.

    Raises:
        FileNotFoundError: `folder` contains no assembly.
    """
    for id_, content in read_json(folder / "manifest.json").get("artifacts", {}).items():
        artifact = AssemblyArtifact(environment, folder, id_, content)
        if artifact.type == "cdk:cloud-assembly":
            stage = artifact.properties.get("displayName", id_)
            yield from artifacts(folder / artifact.properties["directoryName"], stage)
        else:
            yield artifact


def read_assembly(folder: Path = ROOT / "cdk.out") -> list[Stack]:
    """Return every stack of the assembly, sorted by name.

    Raises:
        FileNotFoundError: `folder` contains no assembly.
    """
    stacks = [_stack(artifact) for artifact in artifacts(folder) if artifact.type == _STACK]
    return sorted(stacks, key=lambda stack: stack.name)


def by_environment(stacks: Iterable[Stack]) -> dict[str, list[Stack]]:
    """Return stacks by the name of their environment; the name is empty outside of all stages."""
    environments: dict[str, list[Stack]] = {}
    for stack in stacks:
        environments.setdefault(stack.environment, []).append(stack)
    return environments


def read_environments(folder: Path) -> dict[str, Environment]:
    """Read the environments of the assembly by name; stacks without a stage are in `OUTSIDE`.

    Raises:
        AssemblyError: the folder does not contain a readable cloud assembly.
    """
    try:
        return {environment.name: environment for environment in _environments(folder)}
    except (OSError, ValueError, KeyError) as error:
        raise AssemblyError(f"{folder}: cannot be read as a cloud assembly: {error!r}") from None


def environments_id(folder: Path) -> str:
    """Return one SHA-256 over the names and templates of all environments' stacks.

    Templates contain the hashes of their assets. Stacks outside of all stages, such as that of the
    pipeline, are excluded, because they do not change the environments.

    Raises:
        FileNotFoundError: `folder` contains no assembly.
    """
    digests = sorted(
        (stack.name, hashlib.sha256(stack.file.read_bytes()).hexdigest())
        for stack in read_assembly(folder)
        if stack.environment
    )
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def read_json(file: Path) -> dict[str, Any]:
    """Parse a JSON file of the assembly."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _environments(folder: Path) -> Iterator[Environment]:
    grouped: dict[str, list[AssemblyArtifact]] = {}
    for artifact in artifacts(folder):
        grouped.setdefault(artifact.environment, []).append(artifact)
    for name, group in grouped.items():
        stacks = [_stack(artifact) for artifact in group if artifact.type == _STACK]
        if stacks:
            yield Environment(
                name or OUTSIDE,
                stacks[-1].account,
                stacks[-1].region,
                stacks={stack.title: stack for stack in stacks},
                assets=dict(_assets(group)),
            )


def _assets(group: Iterable[AssemblyArtifact]) -> Iterator[tuple[str, Path]]:
    for artifact in group:
        if artifact.type == "cdk:asset-manifest":
            files = read_json(artifact.folder / artifact.properties["file"])["files"]
            for hash_, asset in files.items():
                yield hash_, (artifact.folder / asset["source"]["path"]).resolve()


def _stack(artifact: AssemblyArtifact) -> Stack:
    properties = artifact.properties
    name = properties.get("stackName", artifact.id)
    display = artifact.content.get("displayName", name)
    account, region = artifact.aws_environment
    file = artifact.folder / properties["templateFile"]
    return Stack(
        name=name,
        account=account,
        template=read_json(file),
        termination_protection=bool(properties.get("terminationProtection", False)),
        environment=artifact.environment,
        region=region,
        title=display.rpartition("/")[2],
        file=file,
        construct_names=_construct_names(display, artifact),
    )


def _construct_names(display: str, artifact: AssemblyArtifact) -> dict[str, str]:
    """Return each resource's construct path within the stack, by logical id without hash.

    If several resources have the same path, the logical id is appended to each path.
    """
    metadata = dict(artifact.content.get("metadata", {}))
    if "additionalMetadataFile" in artifact.content:
        metadata |= read_json(artifact.folder / artifact.content["additionalMetadataFile"])
    names = {}
    for path, entries in metadata.items():
        name = path.removeprefix(f"/{display}/")
        for end in ("/Default", "/Resource"):
            name = name.removesuffix(end)
        for entry in entries:
            if entry["type"] == "aws:cdk:logicalId":
                names[_PUBLISHED_ID.sub(r"\1", entry["data"])] = name
    used = Counter(names.values())
    return {id_: name if used[name] == 1 else f"{name} ({id_})" for id_, name in names.items()}
