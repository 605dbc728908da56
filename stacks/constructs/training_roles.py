"""Roles of training: one for the jobs, and one for the pipeline that starts the jobs."""

from collections.abc import Sequence

from aws_cdk import aws_iam
from constructs import Construct

from deeplens.config import AwsEnvironment
from deeplens.config.deep_learning_containers import ContainerImage
from stacks.constructs.iam import Statement, managed_policy
from stacks.constructs.model_bucket import ModelBucket
from stacks.constructs.sagemaker_iam import BY_SAGEMAKER, sagemaker_container_statements
from stacks.constructs.scanner_suppressions import suppress_wildcard_findings
from stacks.constructs.service_role import service_principal

_METRICS = ["/aws/sagemaker/ProcessingJobs", "/aws/sagemaker/TrainingJobs"]
_NAMED_AT_RUN_TIME = (
    "jobs, their log streams and model package versions get their names at run time, under fixed "
    "prefixes; the actions on * know no resources (Service Authorization Reference)"
)
# The prefix of all job names; the DeepLens guide requires this prefix for training jobs.
JOB_PREFIX = "deeplens-"


class TrainingRoles(Construct):
    """A role for the jobs, and a role for the pipeline that starts jobs and registers models."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        model_bucket: ModelBucket,
        aws_environment: AwsEnvironment,
        code_bucket: str,
        code_key: str,
        images: Sequence[ContainerImage],
        model_package_group: str,
    ) -> None:
        super().__init__(scope, id_)
        self._account = aws_environment.account
        jobs = [
            Statement(
                sid="ReadCode",
                actions=["s3:GetObject"],
                resources=[aws_environment.s3_arn(code_bucket, code_key)],
                without_call="Amazon SageMaker downloads the input of a job with the job's role",
            ),
            # A processing job reads its code by prefix, so SageMaker lists the objects first.
            Statement(
                sid="ListCode",
                actions=["s3:ListBucket"],
                resources=[aws_environment.s3_arn(code_bucket)],
                conditions={"StringLike": {"s3:prefix": f"{code_key}*"}},
                without_call="Amazon SageMaker lists the input of a job with the job's role",
            ),
            *sagemaker_container_statements(images, metrics=_METRICS),
            Statement(
                sid="WriteLogs",
                actions=[
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                resources=[aws_environment.arn("logs", f"log-group:{name}:*") for name in _METRICS],
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
                    aws_environment.arn("sagemaker", f"{kind}/{JOB_PREFIX}*")
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
                    aws_environment.arn("sagemaker", f"model-package-group/{model_package_group}"),
                    aws_environment.arn("sagemaker", f"model-package/{model_package_group}/*"),
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
        # The pipeline's condition reads the result of the verification from the bucket.
        model_bucket.grant_work(self.pipeline)

    def _role(self, id_: str, statements: list[Statement]) -> aws_iam.Role:
        role = aws_iam.Role(
            self,
            id_,
            assumed_by=service_principal("sagemaker.amazonaws.com", account=self._account),
            managed_policies=[managed_policy(self, f"{id_}Policy", statements)],
        )
        suppress_wildcard_findings(self, statements, _NAMED_AT_RUN_TIME)
        return role
