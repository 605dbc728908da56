"""Lambda functions with their roles and logs."""

from dataclasses import dataclass
from typing import Any

from troposphere import Ref, awslambda, logs

from benchmarks.peers.troposphere_stacks.policies import (
    Statement,
    add_policy,
    add_role,
    allow,
    arn_of,
)
from benchmarks.peers.troposphere_stacks.stack import Stack

# What ends with its stack says so, as CDK does.
WITH_STACK = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}


@dataclass(frozen=True)
class Function:
    """A function and what it consists of."""

    resource: Any
    role: Any
    policy: Any
    log: Any


def add_log(stack: Stack, title: str, retention_days: int) -> Any:
    """Add a log group that ends with its stack."""
    return stack.add(logs.LogGroup(title, RetentionInDays=retention_days, **WITH_STACK))


def add_function(
    stack: Stack,
    prefix: str,
    *,
    sources: str,
    retention_days: int,
    statements: list[Statement] | None = None,
    **properties: Any,
) -> Function:
    """Add a Python function from a folder of lambda_src."""
    log = add_log(stack, f"{prefix}Log", retention_days)
    write_log = allow("WriteOwnLog", ["logs:CreateLogStream", "logs:PutLogEvents"], [arn_of(log)])
    policy = add_policy(stack, f"{prefix}RolePolicy", write_log, *(statements or []))
    role = add_role(stack, f"{prefix}Role", service="lambda.amazonaws.com", policy=policy)
    resource = stack.add(
        awslambda.Function(
            prefix if prefix == "Function" else f"{prefix}Function",
            Runtime="python3.12",
            Architectures=["x86_64"],
            Code=awslambda.Code(
                S3Bucket=stack.environment.asset_bucket,
                S3Key=f"{stack.assets.add_sources(sources)}.zip",
            ),
            LoggingConfig=awslambda.LoggingConfig(LogGroup=Ref(log)),
            Role=arn_of(role),
            DependsOn=[role.title],
            **properties,
        )
    )
    return Function(resource, role, policy, log)


def add_handler(
    stack: Stack,
    prefix: str,
    *,
    package: str,
    timeout_seconds: int,
    statements: list[Statement],
) -> Function:
    """Add the function behind a kind of custom resource."""
    return add_function(
        stack,
        prefix,
        sources="custom_resources",
        retention_days=90,
        statements=statements,
        Description=f"Custom resource {package}",
        Handler=f"{package}.handler",
        Timeout=timeout_seconds,
        MemorySize=512,
    )
