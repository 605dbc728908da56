"""Who trains: the role of the jobs, and the role of the pipeline that starts them."""

from collections.abc import Sequence

from aws_cdk import aws_iam
from constructs import Construct

from deeplens.config import Place
from deeplens.config.deep_learning_containers import ContainerImage
from stacks.constructs.container_statements import BY_SAGEMAKER, container_statements
from stacks.constructs.findings import accept_wildcards
from stacks.constructs.model_bucket import ModelBucket
from stacks.constructs.service_role import service_principal
from stacks.constructs.statements import Statement, managed_policy

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
        place: Place,
        code_bucket: str,
        code_key: str,
        images: Sequence[ContainerImage],
        model_package_group: str,
    ) -> None:
        super().__init__(scope, id_)
        self._account = place.account
        jobs = [
            Statement(
                sid="ReadCode",
                actions=["s3:GetObject"],
                resources=[place.s3_arn(code_bucket, code_key)],
                without_call="Amazon SageMaker downloads the input of a job with the job's role",
            ),
            # A processing job reads its code by prefix, so SageMaker lists before it downloads.
            Statement(
                sid="ListCode",
                actions=["s3:ListBucket"],
                resources=[place.s3_arn(code_bucket)],
                conditions={"StringLike": {"s3:prefix": f"{code_key}*"}},
                without_call="Amazon SageMaker lists the input of a job with the job's role",
            ),
            *container_statements(images, metrics=_METRICS),
            Statement(
                sid="WriteLogs",
                actions=[
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                resources=[place.arn("logs", f"log-group:{name}:*") for name in _METRICS],
                without_call=BY_SAGEMAKER,
            ),
        ]
        self.jobs = self._role("Jobs", jobs)
        model_bucket.grant_work(self.jobs)

        pipeline = [
            Statement(
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
                    place.arn("sagemaker", f"{kind}/{JOB_PREFIX}*")
                    for kind in ("processing-job", "training-job")
                ],
                without_call=BY_SAGEMAKER,
            ),
            Statement(
                sid="RegisterModels",
                actions=[
                    "sagemaker:AddTags",
                    "sagemaker:CreateModelPackage",
                    "sagemaker:DescribeModelPackage",
                    "sagemaker:DescribeModelPackageGroup",
                ],
                resources=[
                    place.arn("sagemaker", f"model-package-group/{model_package_group}"),
                    place.arn("sagemaker", f"model-package/{model_package_group}/*"),
                ],
                without_call=BY_SAGEMAKER,
            ),
            Statement(
                sid="GiveJobsTheirRole",
                actions=["iam:PassRole"],
                resources=[self.jobs.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
                without_call=BY_SAGEMAKER,
            ),
        ]
        self.pipeline = self._role("Pipeline", pipeline)
        # The pipeline reads what the verification wrote, to decide.
        model_bucket.grant_work(self.pipeline)

    def _role(self, id_: str, statements: list[Statement]) -> aws_iam.Role:
        role = aws_iam.Role(
            self,
            id_,
            assumed_by=service_principal("sagemaker.amazonaws.com", account=self._account),
            managed_policies=[managed_policy(self, f"{id_}Policy", statements)],
        )
        accept_wildcards(self, statements, _NAMED_AT_RUN_TIME)
        return role
