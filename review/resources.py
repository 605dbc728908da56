"""What happens to the resources of one environment: added, changed, replaced, removed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from review.assembly import Environment, Resource, Stack
from review.code import code_change
from review.difference import ABSENT, Difference, differences, short
from review.template_values import imports, opened, references
from review.update_rules import Effect, effect_of, state_of

Kind = Literal["added", "published", "changed", "perhaps replaced", "replaced", "removed"]

_RANK: dict[Effect, int] = {"in place": 0, "perhaps replaced": 1, "replaced": 2}
_KIND: dict[Effect, Kind] = {
    "in place": "changed",
    "perhaps replaced": "perhaps replaced",
    "replaced": "replaced",
}
_CODE_KEYS = ("Code.S3Key", "Code.S3Bucket")


@dataclass(frozen=True)
class PropertyChange:
    """One property, by its path; `because` says why it changes when its own text does not."""

    path: str
    before: str
    after: str
    effect: Effect = "in place"
    because: str = ""


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
        return max(found, key=lambda one: (_RANK[one[0]], one[1]), default=("in place", ""))


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
        text: dict[str, object] = opened(self.environment.resolve(self.stack, kept))
        return text


def _resource(old: _Side, new: _Side, known: Replaced) -> ResourceChange | None:
    resource = new.resource or old.resource
    stack = new.stack or old.stack
    if resource is None or stack is None:
        return None
    if old.resource is None:
        return _change(stack, resource, "added", f"{resource.name} is added.")
    if new.resource is None:
        return _removed(stack, old.resource)
    if old.resource.type != new.resource.type:
        return _change(
            stack,
            resource,
            "replaced",
            f"{resource.name} becomes a {new.resource.type}; CloudFormation refuses to change "
            "the type under one logical id.",
        )
    properties = _properties(old, new, known)
    published = old.resource.published != new.resource.published
    if not properties and not published:
        return None
    if published:
        return _change(
            stack,
            resource,
            "published",
            f"{resource.name}: a new version is published; those before it are kept.",
            properties,
        )
    worst = max((one.effect for one in properties), key=_RANK.__getitem__)
    if worst == "in place":
        return _change(stack, resource, "changed", _in_place(old.resource, properties), properties)
    return _replaced(stack, old.resource, new.resource, properties, worst)


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
            weaker = min(effect, would, key=_RANK.__getitem__)
            name = _named(new, target)
            text = short(new.environment.resolve(new.stack, value))
            found.append(PropertyChange(key, text, text, weaker, f"{name} is {weaker}"))
    return tuple(found)


def _named(side: _Side, target: str) -> str:
    stack = side.stack
    return stack.resources[target].name if stack and target in stack.resources else target


def _in_place(resource: Resource, properties: Iterable[PropertyChange]) -> str:
    decides = ""
    if resource.type.startswith("Custom::"):
        decides = " Its handler decides what that means."
    code = next((one.after for one in properties if one.path == "Code"), "")
    return f"{resource.name} is changed in place.{decides}{f' {code}' if code else ''}"


def _replaced(
    stack: Stack,
    old: Resource,
    new: Resource,
    properties: tuple[PropertyChange, ...],
    worst: Effect,
) -> ResourceChange:
    causes = [_cause(one) for one in properties if one.effect == worst]
    verb = "is replaced" if worst == "replaced" else "is perhaps replaced"
    sentence = f"{old.name} {verb}: {'; '.join(causes)}."
    holds = state_of(old.type)
    alarm = ""
    if holds:
        policies = [one.definition.get("UpdateReplacePolicy", "Delete") for one in (old, new)]
        fate = _fate(holds, "Delete" if "Delete" in policies else str(policies[1]))
        loud = "STATE IS REPLACED" if worst == "replaced" else "STATE IS PERHAPS REPLACED"
        alarm = f"{loud}: {sentence} The new one starts without {holds}. {fate}"
    return _change(stack, new, _KIND[worst], sentence, properties, alarm)


def _cause(one: PropertyChange) -> str:
    if one.because:
        return f"{one.path} names what is replaced ({one.because})"
    return f"{one.path} changes from {one.before} to {one.after}"


def _removed(stack: Stack, resource: Resource) -> ResourceChange:
    policy = str(resource.definition.get("DeletionPolicy", "Delete"))
    holds = state_of(resource.type)
    sentence = f"{resource.name} leaves the stack"
    sentence += " and is deleted." if policy == "Delete" else f" ({policy} keeps it)."
    alarm = f"STATE IS REMOVED: {sentence} {_fate(holds, policy)}" if holds else ""
    return _change(stack, resource, "removed", sentence, (), alarm)


def _fate(holds: str, policy: str) -> str:
    match policy:
        case "Delete":
            return f"The old one is DELETED with {holds}; there is no way back."
        case "Snapshot":
            return f"The old one is deleted after a snapshot of {holds}."
    return (
        f"The old one stays in the account with {holds}, outside of the stack ({policy}); "
        "nothing is copied."
    )


def _change(
    stack: Stack,
    resource: Resource,
    kind: Kind,
    sentence: str,
    properties: tuple[PropertyChange, ...] = (),
    alarm: str = "",
) -> ResourceChange:
    return ResourceChange(
        stack.title,
        resource.name,
        resource.logical_id,
        resource.type,
        kind,
        sentence,
        alarm,
        properties,
    )
