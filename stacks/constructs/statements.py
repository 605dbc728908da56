"""Statements of IAM policies as plain data: reading one back from CDK costs a call each time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import aws_iam
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is allowed on what.

    Attributes:
        sid: the statement's own name in its policy.
        actions: IAM's names of them, `service:Action`.
        resources: ARNs; `*` for actions that know no resources.
        conditions: what a request is compared with, by operator and condition key.
    """

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Mapping[str, Mapping[str, str | Sequence[str]]] | None = None


def managed_policy(
    scope: Construct,
    id_: str,
    statements: Iterable[Statement],
    *,
    roles: Sequence[aws_iam.IRole] = (),
) -> aws_iam.ManagedPolicy:
    """Make a policy of the statements, and attach it to `roles`."""
    document = {"Statement": [_as_json(one) for one in statements]}
    return aws_iam.ManagedPolicy(
        scope,
        id_,
        roles=list(roles) or None,
        document=aws_iam.PolicyDocument.from_json(document),
    )


def _as_json(statement: Statement) -> dict[str, object]:
    return {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Action": list(statement.actions),
        "Resource": list(statement.resources),
        **({"Condition": statement.conditions} if statement.conditions else {}),
    }
