"""Lambda functions with their roles and logs."""

from dataclasses import dataclass
from typing import Any

from troposphere import Ref, Template, awslambda, logs

from benchmarks.peers.troposphere_stacks.assets import Assets
from benchmarks.peers.troposphere_stacks.environment import Environment
from benchmarks.peers.troposphere_stacks.policies import (
    Statement,
    add_policy,
    add_role,
    allow,
    arn_of,
)


@dataclass(frozen=True)
class Function:
    """A function and what it consists of."""

    resource: Any
    role: Any
    policy: Any
    log: Any


def add_log(template: Template, title: str, retention_days: int) -> Any:
    """Add a log group that ends with its stack."""
    return template.add_resource(
        logs.LogGroup(
            title,
            RetentionInDays=retention_days,
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
        )
    )


def add_function(
    template: Template,
    prefix: str,
    environment: Environment,
    assets: Assets,
    *,
    sources: str,
    retention_days: int,
    statements: list[Statement] | None = None,
    **properties: Any,
) -> Function:
    """Add a Python function from a folder of lambda_src."""
    log = add_log(template, f"{prefix}Log", retention_days)
    write_log = allow("WriteOwnLog", ["logs:CreateLogStream", "logs:PutLogEvents"], [arn_of(log)])
    policy = add_policy(template, f"{prefix}RolePolicy", write_log, *(statements or []))
    role = add_role(
        template, f"{prefix}Role", environment, service="lambda.amazonaws.com", policy=policy
    )
    resource = template.add_resource(
        awslambda.Function(
            prefix if prefix == "Function" else f"{prefix}Function",
            Runtime="python3.12",
            Architectures=["x86_64"],
            Code=awslambda.Code(
                S3Bucket=environment.asset_bucket, S3Key=f"{assets.add_sources(sources)}.zip"
            ),
            LoggingConfig=awslambda.LoggingConfig(LogGroup=Ref(log)),
            Role=arn_of(role),
            DependsOn=[role.title],
            **properties,
        )
    )
    return Function(resource, role, policy, log)


def add_handler(
    template: Template,
    prefix: str,
    environment: Environment,
    assets: Assets,
    *,
    package: str,
    timeout_seconds: int,
    statements: list[Statement],
) -> Function:
    """Add the function behind a kind of custom resource."""
    return add_function(
        template,
        prefix,
        environment,
        assets,
        sources="custom_resources",
        retention_days=90,
        statements=statements,
        Description=f"Custom resource {package}",
        Handler=f"{package}.handler",
        Timeout=timeout_seconds,
        MemorySize=512,
    )
