"""Statements of IAM policies as plain data: reading one back from CDK costs a call each time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from aws_cdk import CfnResource, PermissionsBoundary, aws_iam
from constructs import Construct

# Name of the metadata of a policy: reasons for grants without calls, by statement.
WITHOUT_CALL = "deeplens:GrantsWithoutCall"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is allowed on what.

    Attributes:
        sid: the statement's own name in its policy.
        actions: IAM's names of them, `service:Action`.
        resources: ARNs; `*` for actions that know no resources.
        conditions: what a request is compared with, by operator and condition key.
        without_call: the reason for a grant that the project's own code may never use. Templates
            contain it as metadata of the policy, by `sid`.
    """

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Mapping[str, Mapping[str, str | Sequence[str]]] | None = None
    without_call: str = ""


def managed_policy(
    scope: Construct,
    id_: str,
    statements: Iterable[Statement],
    *,
    roles: Sequence[aws_iam.IRole] = (),
) -> aws_iam.ManagedPolicy:
    """Make a policy of the statements, and attach it to `roles`."""
    statements = list(statements)
    document = {"Statement": [_as_json(one) for one in statements]}
    policy = aws_iam.ManagedPolicy(
        scope,
        id_,
        roles=list(roles) or None,
        document=aws_iam.PolicyDocument.from_json(document),
    )
    if reasons := {one.sid: one.without_call for one in statements if one.without_call}:
        cast("CfnResource", policy.node.default_child).add_metadata(WITHOUT_CALL, reasons)
    return policy


def permissions_boundary(policy: str | None) -> PermissionsBoundary | None:
    """Return the boundary that a name, in the stack's own account, or an ARN stands for."""
    if policy is None:
        return None
    if policy.startswith("arn:"):
        return PermissionsBoundary.from_arn(policy)
    return PermissionsBoundary.from_name(policy)


def _as_json(statement: Statement) -> dict[str, object]:
    return {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Action": list(statement.actions),
        "Resource": list(statement.resources),
        **({"Condition": statement.conditions} if statement.conditions else {}),
    }
