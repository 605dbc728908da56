"""Describe the change of one resource in a sentence, with an alarm if the resource has state."""

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
    """A changed property by path; `because` is the cause if `before` and `after` are equal."""

    path: str
    before: str
    after: str
    effect: Effect = "in place"
    because: str = ""


@dataclass(frozen=True)
class ResourceText:
    """The change of a resource; `alarm` is empty unless the change affects state."""

    kind: Kind
    sentence: str
    alarm: str = ""


def added(resource: Resource) -> ResourceText:
    """Describe a new resource."""
    return ResourceText("added", f"{resource.name} is added.")


def published(resource: Resource) -> ResourceText:
    """Describe the publication of a new function version."""
    return ResourceText(
        "published",
        f"{resource.name}: a new version is published; earlier versions are retained.",
    )


def another_type(resource: Resource) -> ResourceText:
    """Describe the change of a logical id's type."""
    return ResourceText(
        "replaced",
        f"{resource.name} becomes a {resource.type}; CloudFormation rejects a change of the type "
        "of a logical id.",
    )


def removed(resource: Resource) -> ResourceText:
    """Describe the removal of a resource from its stack."""
    policy = str(resource.definition.get("DeletionPolicy", "Delete"))
    state = state_of(resource.type)
    sentence = f"{resource.name} is removed from the stack"
    sentence += " and deleted." if policy == "Delete" else f" and retained ({policy})."
    alarm = f"STATE IS REMOVED: {sentence} {_consequence(state, policy)}" if state else ""
    return ResourceText("removed", sentence, alarm)


def changed(old: Resource, new: Resource, properties: Sequence[PropertyChange]) -> ResourceText:
    """Describe the change of one or more properties of a resource."""
    strongest = max((change.effect for change in properties), key=RANK.__getitem__)
    if strongest == "in place":
        return ResourceText("changed", _in_place(old, properties), _no_longer_retained(old, new))
    causes = [_cause(change) for change in properties if change.effect == strongest]
    verb = "is replaced" if strongest == "replaced" else "is perhaps replaced"
    sentence = f"{old.name} {verb}: {'; '.join(causes)}."
    state = state_of(old.type)
    if not state:
        return ResourceText(_KIND[strongest], sentence)
    policies = [
        str(resource.definition.get("UpdateReplacePolicy", "Delete")) for resource in (old, new)
    ]
    consequence = _consequence(state, "Delete" if "Delete" in policies else policies[1])
    title = "STATE IS REPLACED" if strongest == "replaced" else "STATE IS PERHAPS REPLACED"
    alarm = f"{title}: {sentence} The new resource starts without {state}. {consequence}"
    return ResourceText(_KIND[strongest], sentence, alarm)


def _in_place(resource: Resource, properties: Sequence[PropertyChange]) -> str:
    names = ", ".join(sorted({change.path.partition(".")[0] for change in properties}))
    custom = resource.type.startswith("Custom::")
    decides = " Its handler decides the effect." if custom else ""
    code = next((f" {change.after}" for change in properties if change.path == "Code"), "")
    return f"{resource.name} is changed in place: {names}.{decides}{code}"


def _no_longer_retained(old: Resource, new: Resource) -> str:
    """Return an alarm if a resource's state is no longer retained, otherwise an empty string."""
    state = state_of(old.type)
    removed_policies = [
        policy
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        if old.definition.get(policy, "Delete") != "Delete"
        and new.definition.get(policy, "Delete") == "Delete"
    ]
    if not state or not removed_policies:
        return ""
    return (
        f"STATE IS NO LONGER RETAINED: {old.name} loses its {' and '.join(removed_policies)}. When "
        f"it is removed or replaced, it is deleted with {state}."
    )


def _cause(change: PropertyChange) -> str:
    if change.because:
        return f"{change.path} refers to a replaced resource ({change.because})"
    return f"{change.path} changes from {change.before} to {change.after}"


def _consequence(state: str, policy: str) -> str:
    match policy:
        case "Delete":
            return f"The previous one is DELETED with {state}; it cannot be restored."
        case "Snapshot":
            return f"The previous one is deleted after a snapshot of {state}."
    return (
        f"The previous one remains in the account with {state}, outside of the stack ({policy}); "
        "nothing is copied."
    )
