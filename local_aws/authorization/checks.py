"""The authorization checks of a call and its dependent actions, and the message of a denial."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local_aws.authorization import reference

# Dependent actions that AWS authorizes only if the call sets tags.
_TAGGING = frozenset({"sagemaker:AddTags", "application-autoscaling:TagResource"})


@dataclass(frozen=True, slots=True)
class Check:
    """One authorization check: an action on a resource.

    ``context`` contains the condition keys of the request with their values.
    """

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subjects:
    """The resources of one call, and the values that conditions of policies compare.

    ``resources`` maps resource types (``service:type``) to ARNs. ``tags`` are the tags that the
    call sets, ``tag_keys`` the keys that it removes, and ``own_tags`` the tags of its resource.
    ``keys`` contains other condition keys, for example those of the service. ``passed_to`` is the
    service to which the call passes a role.
    """

    resources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    tag_keys: Sequence[str] = ()
    own_tags: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    passed_to: str = ""


# A function that evaluates the policies for a check. It raises ServiceError (AccessDeniedException)
# if the policies deny the check.
Authorize = Callable[[Check], None]


def checks(action: str, subjects: Subjects) -> Iterator[Check]:
    """Yield the checks of a call, its own action first.

    The call's own action is checked on ``*`` if it has no resource types, as the Service
    Authorization Reference requires, or if the call has no resource of these types. A dependent
    action is checked on ``*`` if it has no resource types, and otherwise on the call's resources of
    its types. If the call has no such resource, the dependent action is not checked. Dependent
    actions for tags are checked only if the call sets tags.
    """
    own = reference.action(action)
    context = _request_context(subjects)
    arns = _arns(own, subjects) or ["*"]
    yield from (Check(action, arn, context) for arn in arns)
    for name in own.dependent_actions:
        if name in _TAGGING and not subjects.tags:
            continue
        dependent = reference.action(name)
        own_context = _dependent_context(name, subjects)
        arns = _arns(dependent, subjects) if dependent.resource_types else ["*"]
        yield from (Check(name, arn, own_context) for arn in arns)


def _arns(action: reference.Action, subjects: Subjects) -> list[str]:
    by_type = (subjects.resources.get(kind, ()) for kind in action.resource_types)
    return list(dict.fromkeys(arn for arns in by_type for arn in arns))


def _request_context(subjects: Subjects) -> dict[str, Any]:
    context = {
        **{f"aws:RequestTag/{key}": value for key, value in subjects.tags.items()},
        **{f"aws:ResourceTag/{key}": value for key, value in subjects.own_tags.items()},
        **subjects.keys,
    }
    if subjects.tags or subjects.tag_keys:
        context["aws:TagKeys"] = [*subjects.tags, *subjects.tag_keys]
    return context


def _dependent_context(name: str, subjects: Subjects) -> dict[str, Any]:
    if name == "iam:PassRole":
        return {"iam:PassedToService": subjects.passed_to}
    return _request_context(Subjects(tags=subjects.tags)) if name in _TAGGING else {}


def denial_message(
    action: str, principal: str, resource: str, *, explicit: bool, of_resource: bool
) -> str:
    """Return the error message for a principal that is denied an action on a resource.

    ``explicit`` is true if a Deny statement matches, and false if no statement allows the action.
    ``of_resource`` is true if the resource-based policy is the reason, and false if the
    identity-based policies are the reason.
    """
    article, kind = ("a", "resource-based") if of_resource else ("an", "identity-based")
    reason = (
        f"with an explicit deny in {article} {kind} policy"
        if explicit
        else f"because no {kind} policy allows the {action} action"
    )
    return (
        f"User: {principal} is not authorized to perform: {action} on resource: {resource} {reason}"
    )
