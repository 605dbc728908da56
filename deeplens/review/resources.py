"""Compare the resources of one environment: added, changed, replaced, removed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deeplens.assembly import Environment, Resource, Stack
from deeplens.assembly.intrinsics import imports, parse_embedded_json, references
from deeplens.review.code_diff import code_diff
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
    """The change of one resource.

    Attributes:
        alarm: a sentence if the change affects state, otherwise empty.
        sentence: the change, for a reader.
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
    """The certain and possible replacements: resources by stack and logical id, exports by name."""

    resources: Mapping[tuple[str, str], Effect] = field(default_factory=dict)
    exports: Mapping[str, Effect] = field(default_factory=dict)

    def effect(self, stack: str, value: object) -> tuple[Effect, str]:
        """Return the strongest effect on the resources to which `value` refers, and that resource.

        If `value` refers to no changed resource, return ("in place", "").
        """
        effects: list[tuple[Effect, str]] = [
            (self.resources[stack, target], target)
            for target in references(value)
            if (stack, target) in self.resources
        ]
        effects += [(self.exports[name], name) for name in imports(value) if name in self.exports]
        return max(effects, key=lambda pair: (RANK[pair[0]], pair[1]), default=("in place", ""))


def compare_resources(
    before: Environment, after: Environment
) -> tuple[list[ResourceChange], Replaced]:
    """Return the changes of the resources, and the replacements among them.

    Stacks that only `before` contains are ignored. Replacements are followed through references: if
    an immutable property refers to a replaced resource, the resource with this property is also
    replaced.
    """
    replaced = Replaced()
    while True:
        changes, next_replaced = _pass(before, after, replaced)
        if next_replaced == replaced:
            return changes, replaced
        replaced = next_replaced


def _pass(
    before: Environment, after: Environment, replaced: Replaced
) -> tuple[list[ResourceChange], Replaced]:
    changes: list[ResourceChange] = []
    resources: dict[tuple[str, str], Effect] = {}
    for title, new in sorted(after.stacks.items()):
        old = before.stacks.get(title)
        previous = old.resources if old else {}
        for logical_id in sorted(previous.keys() | new.resources.keys()):
            change = _resource(
                _Side(before, old, previous.get(logical_id)),
                _Side(after, new, new.resources.get(logical_id)),
                replaced,
            )
            if change is None:
                continue
            changes.append(change)
            if change.kind in ("replaced", "published"):
                resources[title, logical_id] = "replaced"
            elif change.kind == "perhaps replaced":
                resources[title, logical_id] = "perhaps replaced"
    return changes, Replaced(resources, _exports(after, Replaced(resources, replaced.exports)))


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
        """Return properties, policies and condition of the resource, with references as text."""
        if self.stack is None or self.resource is None:
            return {}
        compared = {
            key: value
            for key, value in self.resource.definition.items()
            if key in ("Properties", "DeletionPolicy", "UpdateReplacePolicy", "Condition")
        }
        text: dict[str, object] = parse_embedded_json(
            self.environment.resolve(self.stack, compared)
        )
        return text


def _resource(old: _Side, new: _Side, replaced: Replaced) -> ResourceChange | None:
    resource, stack = new.resource or old.resource, new.stack or old.stack
    if resource is None or stack is None:
        return None
    if old.resource is None or new.resource is None:
        text = removed(resource) if old.resource else added(resource)
        properties: tuple[PropertyChange, ...] = ()
    elif old.resource.type != new.resource.type:
        text, properties = another_type(resource), ()
    else:
        properties = _properties(old, new, replaced)
        if old.resource.published != new.resource.published:
            text = published(resource)
        elif properties:
            text = changed(old.resource, new.resource, properties)
        else:
            return None
    return ResourceChange(
        stack=stack.title,
        name=resource.name,
        logical_id=resource.logical_id,
        type=resource.type,
        kind=text.kind,
        sentence=text.sentence,
        alarm=text.alarm,
        properties=properties,
    )


def _properties(old: _Side, new: _Side, replaced: Replaced) -> tuple[PropertyChange, ...]:
    if old.resource is None or new.resource is None or new.stack is None:
        return ()
    type_, region = new.resource.type, new.environment.region
    changes = []
    for difference in differences(old.definition(), new.definition()):
        before, after = difference.before, difference.after
        in_properties = difference.path[0] == "Properties"
        below = Difference(difference.path[1:], before, after)
        path = ".".join(below.path if in_properties else difference.path)
        if type_ == "AWS::Lambda::Function" and path in _CODE_KEYS:
            continue
        effect: Effect = effect_of(type_, region, below) if in_properties else "in place"
        changes.append(PropertyChange(path, short(before), short(after), effect))
    if type_ == "AWS::Lambda::Function":
        code = code_diff(
            old.resource.properties.get("Code"),
            old.environment.assets,
            new.resource.properties.get("Code"),
            new.environment.assets,
        )
        if code:
            changes.append(PropertyChange("Code", "", code))
    changed_keys = {change.path.partition(".")[0] for change in changes}
    for key, value in sorted(new.resource.properties.items()):
        effect, target = replaced.effect(new.stack.title, value)
        if effect == "in place" or key in changed_keys:
            continue
        possible = effect_of(type_, region, Difference((key,), ABSENT, value))
        if possible != "in place":
            weaker = min(effect, possible, key=RANK.__getitem__)
            name = _name_of(new, target)
            text = short(new.environment.resolve(new.stack, value))
            changes.append(PropertyChange(key, text, text, weaker, f"{name} is {weaker}"))
    return tuple(changes)


def _name_of(side: _Side, target: str) -> str:
    stack = side.stack
    return stack.resources[target].name if stack and target in stack.resources else target
