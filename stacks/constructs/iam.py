"""IAM policies as plain data, because reading values back from CDK requires slow jsii calls."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from aws_cdk import CfnResource, PermissionsBoundary, aws_iam
from constructs import Construct

# The metadata key of a policy; the value contains the reasons for unused grants, by statement.
WITHOUT_CALL = "deeplens:GrantsWithoutCall"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement that allows actions on resources.

    Attributes:
        sid: the statement's unique name in its policy.
        actions: names in the form `service:Action`.
        resources: ARNs; `*` for actions without resource-level permissions.
        conditions: values by operator and condition key.
        without_call: the reason for a grant that the project's own code may never use. Templates
            contain the reason as metadata of the policy, by `sid`.
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
    """Create a policy from the statements, and attach it to `roles`."""
    statements = list(statements)
    document = {"Statement": [_as_json(statement) for statement in statements]}
    policy = aws_iam.ManagedPolicy(
        scope,
        id_,
        roles=list(roles) or None,
        document=aws_iam.PolicyDocument.from_json(document),
    )
    reasons = {
        statement.sid: statement.without_call for statement in statements if statement.without_call
    }
    if reasons:
        cast("CfnResource", policy.node.default_child).add_metadata(WITHOUT_CALL, reasons)
    return policy


def permissions_boundary(policy: str | None) -> PermissionsBoundary | None:
    """Return the boundary `policy`, an ARN or a name in the stack's account; None without one."""
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
