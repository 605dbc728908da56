"""Compare the permissions of both sides of a change, and describe the differences in sentences.

`covers` returns True only if it can exclude every exception: it is sound, but not complete.
Undecided cases count as wider, so a wider permission is never reported as narrower.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from deeplens.review.json_diff import short
from deeplens.review.policies import Condition, Grant, Holder, Holding

Direction = Literal["wider", "narrower"]


@dataclass(frozen=True, order=True)
class AccessChange:
    """One sentence about a wider or narrower permission of a holder."""

    direction: Direction
    holder: str
    sentence: str


def compare_access(
    before: Mapping[str, Holding], after: Mapping[str, Holding]
) -> list[AccessChange]:
    """Return the differences of two sides' policies: first wider, then narrower ones, by holder."""
    changes: set[AccessChange] = set()
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if new is None and old is not None and old.holder.kind != "resource":
            sentence = f"{old.holder.called} is removed, with all of its permissions."
            if old.holder.kind == "identity":
                changes.add(AccessChange("narrower", key, sentence))
            continue
        holder = (new or old or _NOBODY).holder
        fresh = old is None
        changes |= {
            AccessChange(direction, key, sentence)
            for direction, sentence in _sentences(
                holder, old or Holding(holder), new or Holding(holder), fresh=fresh
            )
        }
    return sorted(
        changes, key=lambda change: (change.direction != "wider", change.holder, change.sentence)
    )


def covers(wide: Grant, narrow: Grant) -> bool:
    """Return whether `wide` certainly applies to every request to which `narrow` applies."""
    return (
        wide.effect == narrow.effect
        and _pattern_covers(wide.action.casefold(), narrow.action.casefold())
        and _pattern_covers(wide.resource, narrow.resource)
        and wide.principal in ("*", narrow.principal)
        and all(_implied(condition, narrow.conditions) for condition in wide.conditions)
    )


_NOBODY = Holding(Holder("", "", "identity"))


def _uncovered(grants: Iterable[Grant], by: Iterable[Grant]) -> list[Grant]:
    others = list(by)
    return [grant for grant in grants if not any(covers(other, grant) for other in others)]


def _pattern_covers(wide: str, narrow: str) -> bool:
    if wide in ("*", narrow):
        return True
    if wide.startswith("every") or narrow.startswith("every") or "${*}" in wide or "${?}" in wide:
        return False
    # A `*` of the narrow pattern is only covered by a `*` of the wide pattern. A `?` matches one
    # character, but neither a `*` nor the start of a policy variable.
    expression = "".join(
        ".*" if letter == "*" else "[^*$]" if letter == "?" else re.escape(letter)
        for letter in wide
    )
    return re.fullmatch(expression, narrow, re.DOTALL) is not None


def _implied(condition: Condition, given: Iterable[Condition]) -> bool:
    """Return whether a condition in `given` implies `condition`."""
    operator, key, values = condition
    for other_operator, other_key, other_values in given:
        if (other_operator, other_key.casefold()) != (operator, key.casefold()):
            continue
        if other_values == values:
            return True
        if operator == "Null" or (":" in operator and "Not" in operator):
            continue
        if other_values >= values if "Not" in operator else other_values <= values:
            return True
    return False


def _sentences(
    holder: Holder, old: Holding, new: Holding, *, fresh: bool
) -> Iterator[tuple[Direction, str]]:
    allowed, denied = _by_effect(new)
    were_allowed, were_denied = _by_effect(old)
    more, less = _uncovered(allowed, were_allowed), _uncovered(were_allowed, allowed)
    for group, instead in _groups(more, less):
        yield "wider", _may_now(holder, group, were_allowed, instead, fresh=fresh)
    for group, _ in _groups(_uncovered(were_denied, denied), ()):
        yield "wider", _denied(holder, group, "no longer")
    yield from _attached(holder, old, new)
    if fresh:
        return
    for group, instead in _groups(less, more):
        if not instead:
            yield "narrower", _may_no_longer(holder, group)
    for group, _ in _groups(_uncovered(denied, were_denied), ()):
        yield "narrower", _denied(holder, group, "now")


def _attached(holder: Holder, old: Holding, new: Holding) -> Iterator[tuple[Direction, str]]:
    """Yield sentences about changes of attached managed policies and permissions boundaries."""
    who = holder.called
    for arn in sorted(new.managed - old.managed):
        yield "wider", f"{who} now also has all permissions of the managed policy {arn}."
    for arn in sorted(old.managed - new.managed):
        yield "narrower", f"{who} no longer has the managed policy {arn}."
    if old.boundary == new.boundary:
        return
    if not new.boundary:
        yield "wider", f"{who} no longer has a permissions boundary."
    elif not old.boundary:
        yield "narrower", f"{who} now has the permissions boundary {new.boundary}."
    else:
        another = f"{new.boundary} instead of {old.boundary}"
        yield "wider", f"{who} now has the permissions boundary {another}: compare both."


def _by_effect(holding: Holding) -> tuple[list[Grant], list[Grant]]:
    allowed = [grant for grant in holding.grants if grant.effect == "Allow"]
    return allowed, [grant for grant in holding.grants if grant.effect == "Deny"]


_Group = list[Grant]


def _groups(grants: Iterable[Grant], others: Iterable[Grant]) -> list[tuple[_Group, str]]:
    """Group grants that differ only by their action, in a stable order.

    Returns:
        Each group, and the resource that the group replaces: that of the only group in `others`
        with the same actions, principal and conditions. The resource is empty if no such group
        exists, or if several groups of `grants` or `others` have the same values.
    """
    groups, other_groups = _grouped(grants), _grouped(others)
    alike = Counter(_without_resource(group) for group in groups)
    resources: dict[tuple[str, ...], list[str]] = {}
    for group in other_groups:
        resources.setdefault(_without_resource(group), []).append(group[0].resource)
    return [
        (group, candidates[0] if alike[key] == len(candidates) == 1 else "")
        for group in groups
        for key in [_without_resource(group)]
        for candidates in [resources.get(key, [])]
    ]


def _grouped(grants: Iterable[Grant]) -> list[_Group]:
    groups: dict[tuple[str, ...], _Group] = {}
    for grant in sorted(grants, key=lambda grant: (grant.action, grant.resource)):
        key = (grant.resource, grant.principal, _conditions(grant.conditions))
        groups.setdefault(key, []).append(grant)
    return [groups[key] for key in sorted(groups)]


def _without_resource(group: _Group) -> tuple[str, ...]:
    first = group[0]
    return (first.principal, _conditions(first.conditions), *(grant.action for grant in group))


def _may_now(holder: Holder, group: _Group, were: list[Grant], instead: str, *, fresh: bool) -> str:
    first = group[0]
    also = "" if fresh else "now also "
    who = f"New: {holder.called[0].lower()}{holder.called[1:]}" if fresh else holder.called
    looser = _loosened(group, were)
    if looser:
        also = "now "
    tail = looser or _only_if(first)
    if instead and instead != first.resource:
        also, tail = "now ", f" instead of {short(instead)}{tail}"
    match holder.kind:
        case "identity":
            return f"{who} may {also}{_actions(group)} on {short(first.resource)}{tail}."
        case "trust":
            how = "" if _actions(group) == "sts:AssumeRole" else f" ({_actions(group)})"
            return f"{who} may {also}be assumed by {first.principal}{how}{tail}."
    return (
        f"{who} {also}lets {_principal(first)} {_actions(group)} on {short(first.resource)}{tail}."
    )


def _loosened(group: _Group, were: list[Grant]) -> str:
    """Return a phrase with the conditions removed from the group's earlier grants.

    The phrase is empty if a grant is new, or if no condition was removed.
    """
    first = group[0]
    olds = [
        [
            old
            for old in were
            if (old.action, old.resource, old.principal)
            == (grant.action, grant.resource, grant.principal)
        ]
        for grant in group
    ]
    if not all(olds):
        return ""
    removed = {
        _conditions(old.conditions - first.conditions) for candidates in olds for old in candidates
    }
    now = _conditions(first.conditions)
    before = " or ".join(sorted(filter(None, removed)))
    if not before:
        return ""
    return f" without the condition {before}" + (f" (remaining condition: {now})" if now else "")


def _may_no_longer(holder: Holder, group: _Group) -> str:
    first = group[0]
    match holder.kind:
        case "identity":
            on = f"{_actions(group)} on {short(first.resource)}"
            return f"{holder.called} may no longer {on}{_as_it_was(first)}."
        case "trust":
            who = f"{first.principal}{_as_it_was(first)}"
            return f"{holder.called} may no longer be assumed by {who}."
    return (
        f"{holder.called} no longer lets {_principal(first)} {_actions(group)} on "
        f"{short(first.resource)}{_as_it_was(first)}."
    )


def _denied(holder: Holder, group: _Group, when: str) -> str:
    first = group[0]
    on = f"{_actions(group)} on {short(first.resource)}{_only_if(first)}"
    if holder.kind == "identity":
        return f"{holder.called} is {when} denied {on}."
    return f"{holder.called} {when} denies {_principal(first)} {on}."


def _principal(grant: Grant) -> str:
    return "everyone" if grant.principal in ("*", "") else grant.principal


def _actions(group: _Group) -> str:
    names = [grant.action for grant in group]
    named = ", ".join(names[:-1])
    return f"{named} and {names[-1]}" if named else names[-1]


def _only_if(grant: Grant) -> str:
    return f", only if {_conditions(grant.conditions)}" if grant.conditions else ""


def _as_it_was(grant: Grant) -> str:
    """Return a phrase with the conditions of a removed grant; empty without conditions.

    The action can remain allowed under other conditions.
    """
    return f" (it was allowed only if {_conditions(grant.conditions)})" if grant.conditions else ""


def _conditions(conditions: Iterable[Condition]) -> str:
    return " and ".join(
        f"{operator} {key} = {' | '.join(sorted(map(short, values)))}"
        for operator, key, values in sorted(
            conditions, key=lambda condition: (condition[1], condition[0], sorted(condition[2]))
        )
    )
