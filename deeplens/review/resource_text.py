"""What happens to one resource, in a sentence; loud where it holds state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deeplens.assembly import Resource
from deeplens.review.replacement_rules import RANK, Effect, state_of

Kind = Literal["added", "published", "changed", "perhaps replaced", "replaced", "removed"]

_KIND: dict[Effect, Kind] = {
    "in place": "changed",
    "perhaps replaced": "perhaps replaced",
    "replaced": "replaced",
}


@dataclass(frozen=True)
class PropertyChange:
    """One property, by its path; `because` says why it changes when its own text does not."""

    path: str
    before: str
    after: str
    effect: Effect = "in place"
    because: str = ""


@dataclass(frozen=True)
class Said:
    """What happens to a resource; `alarm` is a sentence when something that holds state goes."""

    kind: Kind
    sentence: str
    alarm: str = ""


def added(resource: Resource) -> Said:
    """Say that a resource is new."""
    return Said("added", f"{resource.name} is added.")


def published(resource: Resource) -> Said:
    """Say that a function gets one more version."""
    return Said(
        "published",
        f"{resource.name}: a new version is published; those before it are kept.",
    )


def another_type(resource: Resource) -> Said:
    """Say that a logical id stands for another type."""
    return Said(
        "replaced",
        f"{resource.name} becomes a {resource.type}; CloudFormation refuses to change the type "
        "under one logical id.",
    )


def removed(resource: Resource) -> Said:
    """Say that a resource is in the stack no more."""
    policy = str(resource.definition.get("DeletionPolicy", "Delete"))
    holds = state_of(resource.type)
    sentence = f"{resource.name} leaves the stack"
    sentence += " and is deleted." if policy == "Delete" else f" ({policy} keeps it)."
    alarm = f"STATE IS REMOVED: {sentence} {_fate(holds, policy)}" if holds else ""
    return Said("removed", sentence, alarm)


def changed(old: Resource, new: Resource, properties: Sequence[PropertyChange]) -> Said:
    """Say what the change of at least one property does."""
    worst = max((one.effect for one in properties), key=RANK.__getitem__)
    if worst == "in place":
        return Said("changed", _in_place(old, properties), _no_longer_kept(old, new))
    causes = [_cause(one) for one in properties if one.effect == worst]
    verb = "is replaced" if worst == "replaced" else "is perhaps replaced"
    sentence = f"{old.name} {verb}: {'; '.join(causes)}."
    holds = state_of(old.type)
    if not holds:
        return Said(_KIND[worst], sentence)
    policies = [str(one.definition.get("UpdateReplacePolicy", "Delete")) for one in (old, new)]
    fate = _fate(holds, "Delete" if "Delete" in policies else policies[1])
    loud = "STATE IS REPLACED" if worst == "replaced" else "STATE IS PERHAPS REPLACED"
    alarm = f"{loud}: {sentence} The new one starts without {holds}. {fate}"
    return Said(_KIND[worst], sentence, alarm)


def _in_place(resource: Resource, properties: Sequence[PropertyChange]) -> str:
    named = ", ".join(sorted({one.path.partition(".")[0] for one in properties}))
    custom = resource.type.startswith("Custom::")
    decides = " Its handler decides what that means." if custom else ""
    code = next((f" {one.after}" for one in properties if one.path == "Code"), "")
    return f"{resource.name} is changed in place: {named}.{decides}{code}"


def _no_longer_kept(old: Resource, new: Resource) -> str:
    """Say that what a stack kept so far will go with it."""
    holds = state_of(old.type)
    gone = [
        policy
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        if old.definition.get(policy, "Delete") != "Delete"
        and new.definition.get(policy, "Delete") == "Delete"
    ]
    if not holds or not gone:
        return ""
    return (
        f"STATE IS NO LONGER KEPT: {old.name} loses its {' and '.join(gone)}; from now on it is "
        f"deleted with {holds} when it is removed or replaced."
    )


def _cause(one: PropertyChange) -> str:
    if one.because:
        return f"{one.path} names what is replaced ({one.because})"
    return f"{one.path} changes from {one.before} to {one.after}"


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
