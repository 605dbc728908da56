"""The execution role of hosted models."""

from collections.abc import Sequence

from aws_cdk import aws_iam
from constructs import Construct

from deeplens.config import AwsEnvironment
from deeplens.config.deep_learning_containers import ContainerImage
from stacks.constructs.iam import Statement, managed_policy
from stacks.constructs.sagemaker_iam import BY_SAGEMAKER, sagemaker_container_statements
from stacks.constructs.scanner_suppressions import suppress_wildcard_findings
from stacks.constructs.service_role import service_principal

# SageMaker's prefix of the names of endpoint log groups, and its namespace of instance metrics.
ENDPOINT_LOGS = "/aws/sagemaker/Endpoints"
_METRICS = "/aws/sagemaker/Endpoints"


class HostingRole(Construct):
    """A role that reads the models' archives, pulls their images and writes the endpoint's log."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        aws_environment: AwsEnvironment,
        archives: Sequence[str],
        images: Sequence[ContainerImage],
        log_group_name: str,
        subnets: Sequence[str],
        security_groups: Sequence[str],
    ) -> None:
        """Create the role; `archives` contains the ARNs of S3 objects."""
        super().__init__(scope, id_)
        statements = [
            Statement(sid="ReadModels", actions=["s3:GetObject"], resources=sorted(set(archives))),
            *sagemaker_container_statements(images, metrics=[_METRICS]),
            Statement(
                sid="WriteOwnLog",
                actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                resources=[aws_environment.arn("logs", f"log-group:{log_group_name}:*")],
                without_call=BY_SAGEMAKER,
            ),
        ]
        if subnets:
            statements += _network(aws_environment, subnets, security_groups)
        self.role = aws_iam.Role(
            self,
            "Role",
            assumed_by=service_principal(
                "sagemaker.amazonaws.com", account=aws_environment.account
            ),
            managed_policies=[managed_policy(self, "Policy", statements)],
        )
        suppress_wildcard_findings(
            self,
            statements,
            "log streams and network interfaces get their names at run time; the actions on * "
            "know no resources (Service Authorization Reference)",
        )


def _network(
    aws_environment: AwsEnvironment, subnets: Sequence[str], security_groups: Sequence[str]
) -> list[Statement]:
    """Return the permissions that SageMaker's documentation lists for network interfaces."""
    ec2 = {
        kind: aws_environment.arn("ec2", f"{kind}/")
        for kind in ("network-interface", "security-group", "subnet")
    }
    return [
        Statement(
            sid="UseNetworkInterfaces",
            actions=[
                "ec2:CreateNetworkInterface",
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
            ],
            resources=[
                f"{ec2['network-interface']}*",
                *(f"{ec2['security-group']}{group}" for group in security_groups),
                *(f"{ec2['subnet']}{subnet}" for subnet in subnets),
            ],
            without_call=BY_SAGEMAKER,
        ),
        Statement(
            sid="SeeNetwork",
            actions=[
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            resources=["*"],
            without_call=BY_SAGEMAKER,
        ),
    ]
