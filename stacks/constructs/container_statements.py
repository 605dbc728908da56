"""What every container that SageMaker runs needs before its own work."""

from collections.abc import Sequence

from aws_cdk import aws_iam

from stacks.config.deep_learning_containers import ContainerImage


def container_statements(
    images: Sequence[ContainerImage], *, metrics: Sequence[str]
) -> list[aws_iam.PolicyStatement]:
    """Return what lets a role pull `images`, and write metrics of the namespaces `metrics`."""
    return [
        aws_iam.PolicyStatement(
            sid="PullImages",
            actions=[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            resources=sorted({image.repository_arn for image in images}),
        ),
        # ECR's and CloudWatch's own rule: these two know no resources.
        aws_iam.PolicyStatement(
            sid="LogInToRegistry", actions=["ecr:GetAuthorizationToken"], resources=["*"]
        ),
        aws_iam.PolicyStatement(
            sid="WriteMetrics",
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": list(metrics)}},
        ),
    ]
