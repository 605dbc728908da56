"""Who trains: the role of the jobs, and the role of the pipeline that starts them."""

from collections.abc import Sequence

from aws_cdk import Stack, aws_iam
from constructs import Construct

from stacks.config.deep_learning_containers import ContainerImage
from stacks.constructs.container_statements import container_statements
from stacks.constructs.findings import accept_wildcards
from stacks.constructs.model_bucket import ModelBucket
from stacks.constructs.service_role import service_principal

_METRICS = ["/aws/sagemaker/ProcessingJobs", "/aws/sagemaker/TrainingJobs"]
_NAMED_AT_RUN_TIME = (
    "jobs, their log streams and model package versions get their names at run time, under fixed "
    "prefixes; the actions on * know no resources (Service Authorization Reference)"
)
# Training jobs, as the guide asks; the pipeline's other jobs for the same reason.
JOB_PREFIX = "deeplens-"


class TrainingRoles(Construct):
    """The jobs work on data sets and models; the pipeline only starts jobs, and registers."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        model_bucket: ModelBucket,
        code_arn: str,
        images: Sequence[ContainerImage],
        model_package_group: str,
    ) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        jobs = [
            aws_iam.PolicyStatement(sid="ReadCode", actions=["s3:GetObject"], resources=[code_arn]),
            *container_statements(images, metrics=_METRICS),
            aws_iam.PolicyStatement(
                sid="WriteLogs",
                actions=[
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                resources=[
                    f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:{name}:*"
                    for name in _METRICS
                ],
            ),
        ]
        self.jobs = self._role("Jobs", jobs)
        model_bucket.grant_work(self.jobs)

        def arn(kind: str, name: str) -> str:
            return stack.format_arn(service="sagemaker", resource=kind, resource_name=name)

        group = arn("model-package-group", model_package_group)
        pipeline = [
            aws_iam.PolicyStatement(
                sid="RunJobs",
                actions=[
                    "sagemaker:AddTags",
                    "sagemaker:CreateProcessingJob",
                    "sagemaker:CreateTrainingJob",
                    "sagemaker:DescribeProcessingJob",
                    "sagemaker:DescribeTrainingJob",
                    "sagemaker:StopProcessingJob",
                    "sagemaker:StopTrainingJob",
                ],
                resources=[
                    arn(kind, f"{JOB_PREFIX}*") for kind in ("processing-job", "training-job")
                ],
            ),
            aws_iam.PolicyStatement(
                sid="RegisterModels",
                actions=[
                    "sagemaker:AddTags",
                    "sagemaker:CreateModelPackage",
                    "sagemaker:DescribeModelPackage",
                    "sagemaker:DescribeModelPackageGroup",
                ],
                resources=[group, arn("model-package", f"{model_package_group}/*")],
            ),
            aws_iam.PolicyStatement(
                sid="GiveJobsTheirRole",
                actions=["iam:PassRole"],
                resources=[self.jobs.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            ),
        ]
        self.pipeline = self._role("Pipeline", pipeline)
        # The pipeline reads what the verification wrote, to decide.
        model_bucket.grant_work(self.pipeline)

    def _role(self, id_: str, statements: list[aws_iam.PolicyStatement]) -> aws_iam.Role:
        role = aws_iam.Role(
            self,
            id_,
            assumed_by=service_principal(self, "sagemaker.amazonaws.com"),
            managed_policies=[aws_iam.ManagedPolicy(self, f"{id_}Policy", statements=statements)],
        )
        accept_wildcards(self, statements, _NAMED_AT_RUN_TIME)
        return role
