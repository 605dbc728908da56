"""What SageMaker may do to host a model, and nothing else."""

from collections.abc import Sequence

from aws_cdk import Stack, aws_iam
from constructs import Construct

from stacks.config.deep_learning_containers import ContainerImage
from stacks.constructs.container_statements import container_statements
from stacks.constructs.findings import accept_wildcards
from stacks.constructs.service_role import service_principal

# SageMaker gives the containers' logs and their instances' metrics these names.
ENDPOINT_LOGS = "/aws/sagemaker/Endpoints"
_METRICS = "/aws/sagemaker/Endpoints"


class HostingRole(Construct):
    """Reads its models' archives, pulls their images, writes the endpoint's own log."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        archives: Sequence[str],
        images: Sequence[ContainerImage],
        log_group_name: str,
        subnets: Sequence[str],
        security_groups: Sequence[str],
    ) -> None:
        """Make the role; `archives` are the ARNs of objects."""
        super().__init__(scope, id_)
        stack = Stack.of(self)
        log = stack.format_arn(
            service="logs", resource=f"log-group:{log_group_name}:*", arn_format=None
        )
        statements = [
            aws_iam.PolicyStatement(
                sid="ReadModels", actions=["s3:GetObject"], resources=sorted(set(archives))
            ),
            *container_statements(images, metrics=[_METRICS]),
            aws_iam.PolicyStatement(
                sid="WriteOwnLog",
                actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                resources=[log],
            ),
        ]
        if subnets:
            statements += _network(stack, subnets, security_groups)
        self.role = aws_iam.Role(
            self,
            "Role",
            assumed_by=service_principal(self, "sagemaker.amazonaws.com"),
            managed_policies=[aws_iam.ManagedPolicy(self, "Policy", statements=statements)],
        )
        accept_wildcards(
            self,
            statements,
            "log streams and network interfaces get their names at run time; the actions on * "
            "know no resources (Service Authorization Reference)",
        )


def _network(
    stack: Stack, subnets: Sequence[str], security_groups: Sequence[str]
) -> list[aws_iam.PolicyStatement]:
    """Network interfaces in the VPC, as SageMaker's documentation of its roles lists them."""
    ec2 = {
        kind: stack.format_arn(service="ec2", resource=kind, resource_name="")
        for kind in ("network-interface", "security-group", "subnet")
    }
    return [
        aws_iam.PolicyStatement(
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
        ),
        aws_iam.PolicyStatement(
            sid="SeeNetwork",
            actions=[
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            resources=["*"],
        ),
    ]
