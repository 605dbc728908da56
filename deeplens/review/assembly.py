"""A cloud assembly as CDK writes it: environments, their stacks, resources and assets."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deeplens.assembly import Artifact, artifacts, read_json
from deeplens.review import ReviewError
from deeplens.review.template_values import Resolver, Value

# `lambda.Function.currentVersion`: its id ends with a hash of all that the version publishes.
_PUBLISHED_ID = re.compile(r"(CurrentVersion[0-9A-F]{8})([0-9a-f]{32})")


@dataclass(frozen=True)
class Resource:
    """One resource of a template.

    Attributes:
        logical_id: as in the template; a published version's is without its hash.
        name: the construct's path within the stack, for example `Models/Bucket`.
        definition: as in the template.
        published: the hash of a published Lambda version's id, else empty.
    """

    logical_id: str
    name: str
    definition: Mapping[str, Value]
    published: str = ""

    @property
    def type(self) -> str:
        """CloudFormation's name of the type."""
        return str(self.definition["Type"])

    @property
    def properties(self) -> Mapping[str, Value]:
        """As in the template."""
        properties: Mapping[str, Value] = self.definition.get("Properties", {})
        return properties


@dataclass(frozen=True)
class Stack:
    """One stack; `name` is CloudFormation's, `title` the construct's within its environment."""

    name: str
    title: str
    template_file: Path
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Value]
    termination_protection: bool

    @cached_property
    def exports(self) -> dict[str, Value]:
        """The value of each export, by the export's name."""
        return {
            output["Export"]["Name"]: output["Value"]
            for output in self.outputs.values()
            if isinstance(output.get("Export", {}).get("Name"), str)
        }


@dataclass(frozen=True)
class Environment:
    """One stage of the app, or the stacks outside of every stage."""

    name: str
    account: str
    region: str
    stacks: Mapping[str, Stack]
    assets: Mapping[str, Path]

    def resolve(self, stack: Stack, value: Value) -> Value:
        """Return `value` of `stack` with references as text; see `template_values`."""

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
        """Yield every resource of every stack, in the order of their names."""
        for _, stack in sorted(self.stacks.items()):
            for _, resource in sorted(stack.resources.items()):
                yield stack, resource


def read_assembly(folder: Path) -> dict[str, Environment]:
    """Read the environments of the cloud assembly in `folder`, by name.

    Raises:
        ReviewError: the folder holds no cloud assembly that this can read.
    """
    try:
        return {one.name: one for one in _environments(folder)}
    except (OSError, ValueError, KeyError) as error:
        raise ReviewError(f"{folder}: cannot be read as a cloud assembly: {error!r}") from None


def _environments(folder: Path) -> Iterator[Environment]:
    grouped: dict[str, list[Artifact]] = {}
    for artifact in artifacts(folder):
        grouped.setdefault(artifact.environment, []).append(artifact)
    for name, group in grouped.items():
        stacks = [one for one in group if one.type == "aws:cloudformation:stack"]
        if stacks:
            yield Environment(
                name or "outside of the environments",
                *stacks[-1].home,
                stacks={stack.title: stack for stack in map(_stack, stacks)},
                assets=dict(_assets(group)),
            )


def _assets(group: Iterable[Artifact]) -> Iterator[tuple[str, Path]]:
    for one in group:
        if one.type == "cdk:asset-manifest":
            for id_, asset in read_json(one.folder / one.properties["file"])["files"].items():
                yield id_, (one.folder / asset["source"]["path"]).resolve()


def _stack(artifact: Artifact) -> Stack:
    properties = artifact.properties
    name = properties.get("stackName", artifact.id)
    display = artifact.content.get("displayName", name)
    file = artifact.folder / properties["templateFile"]
    text = file.read_text(encoding="utf-8")
    published = {found[1]: found[2] for found in _PUBLISHED_ID.finditer(text)}
    template = json.loads(_PUBLISHED_ID.sub(r"\1", text))
    names = _construct_names(display, artifact)
    return Stack(
        name=name,
        title=display.rpartition("/")[2],
        template_file=file,
        resources={
            logical_id: Resource(
                logical_id,
                names.get(logical_id, logical_id),
                definition,
                next((hash_ for end, hash_ in published.items() if logical_id.endswith(end)), ""),
            )
            for logical_id, definition in template.get("Resources", {}).items()
        },
        outputs=template.get("Outputs", {}),
        termination_protection=bool(properties.get("terminationProtection", False)),
    )


def _construct_names(display: str, artifact: Artifact) -> dict[str, str]:
    """Return each resource's construct path within the stack, by logical id."""
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
