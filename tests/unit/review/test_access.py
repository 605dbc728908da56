"""Wider permissions are described in sentences, and never reported as narrower."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplens.review.access import compare_access, covers
from deeplens.review.policies import Condition, Grant, Holder, Holding, read_policies

TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "credentials.iot.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}},
        }
    ]
}


def role(*statements: dict[str, Any], trust: Any = TRUST, **properties: Any) -> dict[str, Any]:
    policy = {"PolicyName": "p", "PolicyDocument": {"Statement": list(statements)}}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": trust,
            "Policies": [policy] if statements else [],
            **properties,
        },
    }


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def sentences(environment: Any, before: Any, after: Any) -> list[tuple[str, str]]:
    sides = [environment(Devices=resources) for resources in (before, after)]
    changes = compare_access(*(read_policies(side) for side in sides))
    return [(change.direction, change.sentence) for change in changes]


READ = allow("s3:GetObject", "arn:aws:s3:::models/components/*")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            role(READ),
            role(READ, allow("s3:PutObject", "arn:aws:s3:::models/components/*")),
            ("wider", "may now also s3:PutObject on arn:aws:s3:::models/components/*."),
        ),
        (
            role(READ),
            role(allow("s3:GetObject", "arn:aws:s3:::models/*")),
            ("wider", "may now also s3:GetObject on arn:aws:s3:::models/*."),
        ),
        (
            role(allow("s3:*", "*")),
            role(READ),
            ("narrower", "may no longer s3:* on *."),
        ),
        (
            role(allow("s3:Get*", "*", Condition={"Bool": {"aws:SecureTransport": "true"}})),
            role(allow("s3:Get*", "*")),
            ("wider", "without the condition Bool aws:SecureTransport = true."),
        ),
        (
            role(allow("s3:*", "*"), {"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}),
            role(allow("s3:*", "*")),
            ("wider", "is no longer denied s3:Put* on *."),
        ),
        (
            role(READ),
            role(READ, ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]),
            ("wider", "of the managed policy arn:aws:iam::aws:policy/AdministratorAccess"),
        ),
        (
            role(READ, PermissionsBoundary="arn:aws:iam::111111111111:policy/b"),
            role(READ),
            ("wider", "no longer has a permissions boundary."),
        ),
        (
            role(READ),
            role({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
            ("wider", "every action but iam:*"),
        ),
    ],
)
def test_a_change_of_the_cameras_role_is_wider_or_narrower(
    environment: Any, before: Any, after: Any, expected: tuple[str, str]
) -> None:
    expected_direction, part = expected
    changes = sentences(environment, {"Role": before}, {"Role": after})
    assert any(
        direction == expected_direction
        and sentence.startswith("The cameras' role (Devices/Role) ")
        and part in sentence
        for direction, sentence in changes
    ), changes


def test_a_new_principal_in_a_trust_policy_is_wider(environment: Any) -> None:
    other = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    wider = {"Statement": [*TRUST["Statement"], other]}
    assert sentences(environment, {"Role": role()}, {"Role": role(trust=wider)}) == [
        ("wider", "The cameras' role (Devices/Role) may now also be assumed by *.")
    ]


def test_a_separate_policy_counts_for_its_role(environment: Any) -> None:
    policy = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"Roles": [{"Ref": "Role"}], "PolicyDocument": {"Statement": [READ]}},
    }
    changes = sentences(environment, {"Role": role()}, {"Role": role(), "More": policy})
    assert changes == [
        (
            "wider",
            (
                "The cameras' role (Devices/Role) may now also s3:GetObject on "
                "arn:aws:s3:::models/components/*."
            ),
        )
    ]


def test_the_same_permission_in_another_policy_is_no_change(environment: Any) -> None:
    policy = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": {"Statement": [READ]}},
    }
    attached = role(ManagedPolicyArns=[{"Ref": "Policy"}])
    assert not sentences(environment, {"Role": role(READ)}, {"Role": attached, "Policy": policy})


def test_a_function_that_everyone_may_call_is_wider(environment: Any) -> None:
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {"Action": "lambda:InvokeFunction", "FunctionName": "f", "Principal": "*"},
    }
    ((direction, sentence),) = sentences(environment, {}, {"Open": permission})
    assert direction == "wider"
    assert "lets everyone lambda:InvokeFunction on f" in sentence


# With few actions, resources and values, every possible request can be evaluated.
_ACTIONS = ("s3:get", "s3:put", "kms:use")
_RESOURCES = ("a", "a/b", "ab")
_VALUES = ("1", "2")
_REQUESTS = [
    (action, resource, value, other)
    for action in _ACTIONS
    for resource in _RESOURCES
    for value in (*_VALUES, None)
    for other in (*_VALUES, None)
]

conditions = st.frozensets(
    st.tuples(
        st.sampled_from(("StringEquals", "StringNotEquals")),
        st.sampled_from(("k", "l")),
        st.frozensets(st.sampled_from(_VALUES), min_size=1),
    ),
    max_size=2,
)
grants = st.builds(
    Grant,
    effect=st.sampled_from(("Allow", "Allow", "Deny")),
    action=st.sampled_from((*_ACTIONS, "s3:*", "*", "s3:?et", "S3:GET")),
    resource=st.sampled_from((*_RESOURCES, "a*", "a?b", "*", "a/*")),
    principal=st.just(""),
    conditions=conditions,
)
policies = st.frozensets(grants, max_size=4)


def matches(pattern: str, text: str) -> bool:
    parts = (
        ".*" if letter == "*" else "." if letter == "?" else re.escape(letter) for letter in pattern
    )
    return re.fullmatch("".join(parts), text) is not None


def holds(condition: Condition, value: str | None, other: str | None) -> bool:
    operator, key, values = condition
    present = value if key == "k" else other
    is_equal = present in values
    return not is_equal if operator == "StringNotEquals" else is_equal


def applies(grant: Grant, request: tuple[str, str, str | None, str | None]) -> bool:
    action, resource, value, other = request
    return (
        matches(grant.action.lower(), action)
        and matches(grant.resource, resource)
        and all(holds(condition, value, other) for condition in grant.conditions)
    )


def allowed(policy: frozenset[Grant], request: Any) -> bool:
    """Return IAM's decision: a Deny takes precedence, and otherwise an Allow is required."""
    effects = [grant.effect for grant in policy if applies(grant, request)]
    return "Deny" not in effects and "Allow" in effects


def directions(before: frozenset[Grant], after: frozenset[Grant]) -> set[str]:
    holder = Holder("role", "The role", "identity")
    sides = [{"role": Holding(holder, policy)} for policy in (before, after)]
    return {change.direction for change in compare_access(*sides)}


@given(before=policies, after=policies)
def test_an_identity_with_one_more_permission_has_wider_access(
    before: frozenset[Grant], after: frozenset[Grant]
) -> None:
    if any(allowed(after, request) and not allowed(before, request) for request in _REQUESTS):
        assert "wider" in directions(before, after)


@given(before=policies, after=policies)
def test_an_identity_with_one_permission_less_has_other_access(
    before: frozenset[Grant], after: frozenset[Grant]
) -> None:
    if any(allowed(before, request) and not allowed(after, request) for request in _REQUESTS):
        assert directions(before, after)


@given(policy=policies)
def test_the_same_policy_is_no_change(policy: frozenset[Grant]) -> None:
    assert not directions(policy, policy)


@given(policy=policies, removed=policies)
def test_fewer_allowed_actions_are_never_wider(
    policy: frozenset[Grant], removed: frozenset[Grant]
) -> None:
    more = policy | {grant for grant in removed if grant.effect == "Allow"}
    assert "wider" not in directions(more, policy)


@given(wide=grants, narrow=grants)
def test_a_covering_grant_applies_to_every_request_of_the_covered_one(
    wide: Grant, narrow: Grant
) -> None:
    if covers(wide, narrow):
        assert all(applies(wide, request) for request in _REQUESTS if applies(narrow, request))
