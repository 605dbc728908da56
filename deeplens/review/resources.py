"""What happens to the resources of one environment: added, changed, replaced, removed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deeplens.assembly import Environment, Resource, Stack
from deeplens.assembly.intrinsics import imports, parse_embedded_json, references
from deeplens.review.code_diff import code_change
from deeplens.review.json_diff import ABSENT, Difference, differences, short
from deeplens.review.replacement_rules import RANK, Effect, effect_of
from deeplens.review.resource_text import (
    Kind,
    PropertyChange,
    added,
    another_type,
    changed,
    published,
    removed,
)

_CODE_KEYS = ("Code.S3Key", "Code.S3Bucket")


@dataclass(frozen=True)
class ResourceChange:
    """What happens to one resource.

    Attributes:
        alarm: a sentence when something that holds state goes, else empty.
        sentence: what happens, for a reader.
    """

    stack: str
    name: str
    logical_id: str
    type: str
    kind: Kind
    sentence: str
    alarm: str = ""
    properties: tuple[PropertyChange, ...] = ()


@dataclass(frozen=True)
class Replaced:
    """What is replaced so far: resources by stack and logical id, and exports by name."""

    resources: Mapping[tuple[str, str], Effect] = field(default_factory=dict)
    exports: Mapping[str, Effect] = field(default_factory=dict)

    def effect(self, stack: str, value: object) -> tuple[Effect, str]:
        """Return the strongest effect on what `value` of `stack` refers to, and its name."""
        found: list[tuple[Effect, str]] = [
            (self.resources[stack, target], target)
            for target in references(value)
            if (stack, target) in self.resources
        ]
        found += [(self.exports[name], name) for name in imports(value) if name in self.exports]
        return max(found, key=lambda one: (RANK[one[0]], one[1]), default=("in place", ""))


def compare_resources(
    before: Environment, after: Environment
) -> tuple[list[ResourceChange], Replaced]:
    """Compare the stacks that both sides have, and those that only `after` has.

    A replacement is followed through every reference: what names a replaced resource in a
    property that cannot change is replaced too.
    """
    replaced = Replaced()
    while True:
        changes, found = _pass(before, after, replaced)
        if found == replaced:
            return changes, replaced
        replaced = found


def _pass(
    before: Environment, after: Environment, known: Replaced
) -> tuple[list[ResourceChange], Replaced]:
    changes: list[ResourceChange] = []
    resources: dict[tuple[str, str], Effect] = {}
    for title, new in sorted(after.stacks.items()):
        old = before.stacks.get(title)
        was = old.resources if old else {}
        for logical_id in sorted(was.keys() | new.resources.keys()):
            change = _resource(
                _Side(before, old, was.get(logical_id)),
                _Side(after, new, new.resources.get(logical_id)),
                known,
            )
            if change is None:
                continue
            changes.append(change)
            if change.kind in ("replaced", "published"):
                resources[title, logical_id] = "replaced"
            elif change.kind == "perhaps replaced":
                resources[title, logical_id] = "perhaps replaced"
    return changes, Replaced(resources, _exports(after, Replaced(resources, known.exports)))


def _exports(after: Environment, replaced: Replaced) -> dict[str, Effect]:
    effects = {
        name: replaced.effect(title, value)[0]
        for title, stack in after.stacks.items()
        for name, value in stack.exports.items()
    }
    return {name: effect for name, effect in effects.items() if effect != "in place"}


@dataclass(frozen=True)
class _Side:
    environment: Environment
    stack: Stack | None
    resource: Resource | None

    def definition(self) -> dict[str, object]:
        """Return properties and policies, references as text."""
        if self.stack is None or self.resource is None:
            return {}
        kept = {
            key: value
            for key, value in self.resource.definition.items()
            if key in ("Properties", "DeletionPolicy", "UpdateReplacePolicy", "Condition")
        }
        text: dict[str, object] = parse_embedded_json(self.environment.resolve(self.stack, kept))
        return text


def _resource(old: _Side, new: _Side, known: Replaced) -> ResourceChange | None:
    resource, stack = new.resource or old.resource, new.stack or old.stack
    if resource is None or stack is None:
        return None
    if old.resource is None or new.resource is None:
        said = removed(resource) if old.resource else added(resource)
        properties: tuple[PropertyChange, ...] = ()
    elif old.resource.type != new.resource.type:
        said, properties = another_type(resource), ()
    else:
        properties = _properties(old, new, known)
        if old.resource.published != new.resource.published:
            said = published(resource)
        elif properties:
            said = changed(old.resource, new.resource, properties)
        else:
            return None
    return ResourceChange(
        stack=stack.title,
        name=resource.name,
        logical_id=resource.logical_id,
        type=resource.type,
        kind=said.kind,
        sentence=said.sentence,
        alarm=said.alarm,
        properties=properties,
    )


def _properties(old: _Side, new: _Side, known: Replaced) -> tuple[PropertyChange, ...]:
    if old.resource is None or new.resource is None or new.stack is None:
        return ()
    type_, region = new.resource.type, new.environment.region
    found = []
    for one in differences(old.definition(), new.definition()):
        in_properties = one.path[0] == "Properties"
        below = Difference(one.path[1:], one.before, one.after)
        path = ".".join(below.path if in_properties else one.path)
        if type_ == "AWS::Lambda::Function" and path in _CODE_KEYS:
            continue
        effect: Effect = effect_of(type_, region, below) if in_properties else "in place"
        found.append(PropertyChange(path, short(one.before), short(one.after), effect))
    if type_ == "AWS::Lambda::Function":
        code = code_change(
            old.resource.properties.get("Code"),
            old.environment.assets,
            new.resource.properties.get("Code"),
            new.environment.assets,
        )
        if code:
            found.append(PropertyChange("Code", "", code))
    named = {one.path.partition(".")[0] for one in found}
    for key, value in sorted(new.resource.properties.items()):
        effect, target = known.effect(new.stack.title, value)
        if effect == "in place" or key in named:
            continue
        would = effect_of(type_, region, Difference((key,), ABSENT, value))
        if would != "in place":
            weaker = min(effect, would, key=RANK.__getitem__)
            name = _named(new, target)
            text = short(new.environment.resolve(new.stack, value))
            found.append(PropertyChange(key, text, text, weaker, f"{name} is {weaker}"))
    return tuple(found)


def _named(side: _Side, target: str) -> str:
    stack = side.stack
    return stack.resources[target].name if stack and target in stack.resources else target
