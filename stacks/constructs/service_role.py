"""Roles that a service assumes for this account only, and their log groups."""

from collections.abc import Sequence
from functools import cache
from typing import cast

from aws_cdk import RemovalPolicy, aws_iam, aws_logs
from constructs import Construct

from stacks.constructs.iam import Statement, managed_policy
from stacks.constructs.scanner_suppressions import suppress_checkov_of_resource


class ServiceLog(aws_logs.LogGroup):
    """A log group that is deleted with its stack, and has a retention in days."""

    def __init__(
        self, scope: Construct, id_: str, *, retention_days: int, name: str | None = None
    ) -> None:
        """Create the group; `name` is for services that require a certain name."""
        super().__init__(scope, id_, log_group_name=name, removal_policy=RemovalPolicy.DESTROY)
        resource = cast("aws_logs.CfnLogGroup", self.node.default_child)
        # The property of the L2 construct is an enumeration, but environment files contain days.
        resource.retention_in_days = retention_days
        suppress_checkov_of_resource(
            resource,
            {
                "CKV_AWS_158": "CloudWatch Logs encrypts it with its own key; it contains no image "
                "and no secret, and a key of ours would be one more way to lose it"
            },
        )


@cache
def service_principal(
    service: str, *, account: str, source_arn: str | None = None
) -> aws_iam.ServicePrincipal:
    """Return a principal that trusts a service for `account` and, if given, `source_arn`.

    Without these conditions, another account could make the service use the role (AWS' "confused
    deputy"). A principal belongs to no construct, so several roles can share it.
    """
    conditions = {"StringEquals": {"aws:SourceAccount": account}}
    if source_arn is not None:
        conditions["ArnLike"] = {"aws:SourceArn": source_arn}
    return aws_iam.ServicePrincipal(service, conditions=conditions)


def lambda_role(
    scope: Construct,
    id_: str,
    *,
    account: str,
    log_group: aws_logs.ILogGroup,
    statements: Sequence[Statement] = (),
) -> aws_iam.Role:
    """Create a role that only Lambda in this account can assume."""
    write_log = Statement(
        sid="WriteOwnLog",
        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
        # The group's ARN ends in ":*", because Lambda creates its streams at run time.
        resources=[log_group.log_group_arn],
        without_call="AWS Lambda writes the log of a function with the function's role",
    )
    return aws_iam.Role(
        scope,
        id_,
        assumed_by=service_principal("lambda.amazonaws.com", account=account),
        managed_policies=[managed_policy(scope, f"{id_}Policy", [write_log, *statements])],
    )
