"""Roles that a service assumes: for this account alone, with what is said beside them."""

from collections.abc import Sequence
from functools import cache
from typing import cast

from aws_cdk import RemovalPolicy, aws_iam, aws_logs
from constructs import Construct

from stacks.constructs.iam import Statement, managed_policy
from stacks.constructs.scanner_suppressions import suppress_checkov_of_resource


class ServiceLog(aws_logs.LogGroup):
    """A log group that ends with its stack, kept as long as the environment says."""

    def __init__(
        self, scope: Construct, id_: str, *, retention_days: int, name: str | None = None
    ) -> None:
        """Make the group; `name` is for services that write to one that they name themselves."""
        super().__init__(scope, id_, log_group_name=name, removal_policy=RemovalPolicy.DESTROY)
        resource = cast("aws_logs.CfnLogGroup", self.node.default_child)
        # The L2 property is an enumeration of words; days are what an environment file says.
        resource.retention_in_days = retention_days
        suppress_checkov_of_resource(
            resource,
            {
                "CKV_AWS_158": "CloudWatch Logs encrypts it with its own key; it holds no picture "
                "and no secret, and a key of ours would be one more way to lose it"
            },
        )


@cache
def service_principal(
    service: str, *, account: str, source_arn: str | None = None
) -> aws_iam.ServicePrincipal:
    """Trust a service when it acts for `account`, and for `source_arn` where that is known.

    Without these conditions the service could be made to use the role on behalf of a stranger:
    AWS' "confused deputy". It belongs to no construct: one object serves every role.
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
    """Make the role; only Lambda in this account may assume it."""
    write_log = Statement(
        sid="WriteOwnLog",
        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
        # The group's ARN ends in ":*": its streams, which get their names at run time.
        resources=[log_group.log_group_arn],
        without_call="AWS Lambda writes the log of a function with the function's role",
    )
    return aws_iam.Role(
        scope,
        id_,
        assumed_by=service_principal("lambda.amazonaws.com", account=account),
        managed_policies=[managed_policy(scope, f"{id_}Policy", [write_log, *statements])],
    )
