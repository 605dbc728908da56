"""Acknowledgements of cdk-nag findings, each with a reason, at the construct they are about."""

from collections.abc import Iterable

from aws_cdk import Acknowledgment, Validations, aws_iam, aws_lambda
from constructs import IConstruct


def accept_wildcards(
    construct: IConstruct, statements: Iterable[aws_iam.PolicyStatement], reason: str
) -> None:
    """Accept the resource wildcards of `statements` (IAM5) below `construct`: each by itself."""
    resources = {
        resource for statement in statements for resource in statement.resources if "*" in resource
    }
    Validations.of(construct).acknowledge(
        *(
            Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{resource}]", reason=reason)
            for resource in sorted(resources)
        )
    )


def accept_python_3_12(function: aws_lambda.Function) -> None:
    """Accept that a newer runtime exists (L1)."""
    Validations.of(function).acknowledge(
        Acknowledgment(
            id="AwsSolutions-L1",
            reason="python3.12 is the newest that cameras can have, is supported until 2028-10-31, "
            "and one version serves every function of the project",
        )
    )
