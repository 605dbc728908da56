"""Acknowledgements of cdk-nag findings, each with a reason, at the construct they are about."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def accept_wildcards(construct: IConstruct, reason: str) -> None:
    """Accept resource wildcards (IAM5) below `construct`, because of `reason`."""
    Validations.of(construct).acknowledge(Acknowledgment(id="AwsSolutions-IAM5", reason=reason))
