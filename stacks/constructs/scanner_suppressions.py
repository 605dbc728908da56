"""Acknowledgements of scanners' findings, each with a reason, at the construct they are about."""

from collections.abc import Iterable, Mapping
from typing import cast

from aws_cdk import Acknowledgment, CfnResource, Validations, aws_lambda
from constructs import IConstruct

from stacks.constructs.iam import Statement


def suppress_wildcard_findings(
    construct: IConstruct, statements: Iterable[Statement], reason: str
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


def suppress_python_runtime_finding(function: aws_lambda.Function) -> None:
    """Accept that a newer runtime exists (L1)."""
    Validations.of(function).acknowledge(
        Acknowledgment(
            id="AwsSolutions-L1",
            reason="python3.12 is the newest that cameras can have, is supported until 2028-10-31, "
            "and one version serves every function of the project",
        )
    )


def suppress_lambda_findings(
    function: aws_lambda.Function, *, no_limit: str, no_queue: str
) -> None:
    """Accept what checkov says of every function here; the reasons are those of this one.

    Args:
        function: the function.
        no_limit: why it has no concurrency of its own (CKV_AWS_115).
        no_queue: why it has no dead letter queue (CKV_AWS_116).
    """
    suppress_checkov(
        function,
        {
            "CKV_AWS_115": no_limit,
            "CKV_AWS_116": no_queue,
            "CKV_AWS_117": "it speaks to AWS' APIs only, by TLS and with its role; nothing that it "
            "needs is in a VPC",
            "CKV_AWS_173": "its variables are names, no secrets; Lambda encrypts them with its key",
        },
    )


def suppress_checkov(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Accept checkov's findings about a construct's resource, each by id with its reason."""
    suppress_checkov_of_resource(
        cast("CfnResource", construct.node.default_child or construct), reasons
    )


def suppress_checkov_of_resource(resource: CfnResource, reasons: Mapping[str, str]) -> None:
    """Accept checkov's findings about a resource, each by id with its reason."""
    skip = [{"id": id_, "comment": reason} for id_, reason in sorted(reasons.items())]
    resource.add_metadata("checkov", {"skip": skip})
