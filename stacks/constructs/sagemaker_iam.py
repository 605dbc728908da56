"""Permissions that every SageMaker container requires."""

from collections.abc import Sequence

from deeplens.config.deep_learning_containers import ContainerImage
from stacks.constructs.iam import Statement

BY_SAGEMAKER = "Amazon SageMaker calls it with the role of an endpoint, a job or a pipeline"


def sagemaker_container_statements(
    images: Sequence[ContainerImage], *, metrics: Sequence[str]
) -> list[Statement]:
    """Return permissions to pull `images`, and to write metrics in the namespaces `metrics`."""
    return [
        Statement(
            sid="PullImages",
            actions=[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            resources=sorted({image.repository_arn for image in images}),
            without_call=BY_SAGEMAKER,
        ),
        # These two actions of ECR and CloudWatch do not support resource-level permissions.
        Statement(
            sid="LogInToRegistry",
            actions=["ecr:GetAuthorizationToken"],
            resources=["*"],
            without_call=BY_SAGEMAKER,
        ),
        Statement(
            sid="WriteMetrics",
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": list(metrics)}},
            without_call=BY_SAGEMAKER,
        ),
    ]
