"""Policy documents, and roles with a managed policy of their own."""

from collections.abc import Mapping
from typing import Any

from troposphere import GetAtt, Ref, iam

from benchmarks.peers.troposphere_stacks.environment import Environment
from benchmarks.peers.troposphere_stacks.stack import Stack

Statement = dict[str, Any]


def allow(
    sid: str, actions: list[str], resources: list[Any], condition: Mapping[str, Any] | None = None
) -> Statement:
    """Return a statement for a role's policy."""
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def document(*statements: Statement) -> dict[str, Any]:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def add_policy(stack: Stack, title: str, *statements: Statement, **where: Any) -> Any:
    """Add a managed policy."""
    return stack.add(
        iam.ManagedPolicy(
            title, Description="", Path="/", PolicyDocument=document(*statements), **where
        )
    )


def add_role(
    stack: Stack,
    title: str,
    *,
    service: str,
    policy: Any = None,
    source_arn: str | None = None,
    **properties: Any,
) -> Any:
    """Add a role that a service may assume for this account, and for `source_arn` if given."""
    condition: dict[str, Any] = {"StringEquals": {"aws:SourceAccount": stack.environment.account}}
    if source_arn:
        condition["ArnLike"] = {"aws:SourceArn": source_arn}
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
        "Condition": condition,
    }
    environment = stack.environment
    if boundary := environment.permissions_boundary:
        arn = f"arn:aws:iam::{environment.account}:policy/{boundary}"
        properties = {"PermissionsBoundary": arn, **properties}
    return stack.add(
        iam.Role(
            title,
            AssumeRolePolicyDocument=document(trust),
            **({"ManagedPolicyArns": [Ref(policy)]} if policy else {}),
            **properties,
        )
    )


def add_download(stack: Stack, title: str, *, role: Any, key_arn: Any) -> Any:
    """Let a role read `components/` of the model bucket, and nothing else."""
    bucket = f"arn:aws:s3:::{stack.environment.model_store['bucket_name']}"
    return add_policy(
        stack,
        title,
        allow("FindBucket", ["s3:GetBucketLocation"], [bucket]),
        allow("DownloadComponents", ["s3:GetObject"], [f"{bucket}/components/*"]),
        use_key("Decrypt", ["kms:Decrypt"], stack.environment, key_arn),
        Roles=[Ref(role)],
    )


def use_key(sid: str, actions: list[str], environment: Environment, key_arn: Any) -> Statement:
    """Allow use of the bucket's key by way of S3 only."""
    service = f"s3.{environment.region}.amazonaws.com"
    condition = {"StringEquals": {"kms:ViaService": service}}
    return allow(f"{sid}WithBucketKey", actions, [key_arn], condition)


def arn_of(resource: Any) -> GetAtt:
    """Return a reference to the ARN of a resource of the same template."""
    return GetAtt(resource, "Arn")
