"""Suppressions of scanners' findings, with reasons, at the construct of the finding."""

from collections.abc import Iterable, Mapping
from typing import cast

from aws_cdk import Acknowledgment, CfnResource, Validations, aws_lambda
from constructs import IConstruct

from stacks.constructs.iam import Statement


def suppress_wildcard_findings(
    construct: IConstruct, statements: Iterable[Statement], reason: str
) -> None:
    """Suppress the findings (IAM5) of resource wildcards in `statements`, below `construct`."""
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
    """Suppress the finding that a newer runtime exists (L1)."""
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
    """Suppress the checkov findings that occur for every function.

    Args:
        function: the function.
        no_limit: reason for unreserved concurrency (CKV_AWS_115).
        no_queue: reason for the missing dead-letter queue (CKV_AWS_116).
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
    """Suppress checkov findings of a construct's resource; `reasons` contains reasons by id."""
    suppress_checkov_of_resource(
        cast("CfnResource", construct.node.default_child or construct), reasons
    )


def suppress_checkov_of_resource(resource: CfnResource, reasons: Mapping[str, str]) -> None:
    """Suppress checkov findings of a resource; `reasons` contains reasons by id."""
    skip = [{"id": id_, "comment": reason} for id_, reason in sorted(reasons.items())]
    resource.add_metadata("checkov", {"skip": skip})
