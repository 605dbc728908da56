"""The pipeline: one synthesis, then environment after environment, each with its gate."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Duration, Environment, Stack, aws_iam, pipelines
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from deeplens.config import DeliveryConfig, EnvironmentConfig
from stacks.application import DeepLensApplication
from stacks.constructs.access_logs import access_logs
from stacks.constructs.permissions_boundary import permissions_boundary
from stacks.constructs.pipeline_approvals import limit_approvals
from stacks.constructs.pipeline_permissions import narrow, qualifier
from stacks.constructs.retention import KEPT, keep_policy_of
from stacks.constructs.undelivered_events import UndeliveredEvents

_ROOT = Path(__file__).resolve().parent.parent
_SETUP = ["make setup"]
# The image has several versions, and the functions and devices run this one.
_WITH_PYTHON = {
    "version": "0.2",
    "phases": {"install": {"runtime-versions": {"python": "3.12"}}},
}
# Checks and tests start several processes with TensorFlow and OpenVINO: 8 vCPUs and 15 GiB.
_CHECKS_SIZE = codebuild.ComputeType.LARGE
_CHECKS_TIMEOUT = Duration.hours(2)
# Downloads of `make setup`, about 800 MB; kept on the build host, so no further rights are needed.
_DOWNLOADS = {"paths": ["/root/.cache/uv/**/*", "/root/.npm/**/*"]}
# Without a version each execution would take the newest: other code than was reviewed.
_CDK_ASSETS_VERSION = "4.7.3"
# The longest execution waits a week for each approval; a stage is rolled back to an earlier
# execution, whose artifacts must still exist.
_ARTIFACT_RETENTION = Duration.days(90)
_REPLACED_RETENTION = Duration.days(7)
_ACCESS_LOG_DAYS = 90


@dataclass(frozen=True)
class Delivered:
    """An environment on the pipeline's way: what it is, and its stacks."""

    environment: EnvironmentConfig
    application: DeepLensApplication


class DeliveryStack(Stack):
    """Synthesizes once; every environment gets its templates and assets from that assembly."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        delivery: DeliveryConfig,
        stages: Sequence[Delivered],
    ) -> None:
        super().__init__(
            scope,
            id_,
            description="DeepLens: releases go from environment to environment",
            env=Environment(account=delivery.account, region=delivery.region),
            permissions_boundary=permissions_boundary(delivery.permissions_boundary),
        )
        source = pipelines.CodePipelineSource.connection(
            delivery.repository,
            delivery.branch,
            connection_arn=delivery.connection_arn,
            # The review compares with the commit before, so the history must come along.
            code_build_clone_output=True,
        )
        synth = pipelines.CodeBuildStep(
            "Synth",
            input=source,
            commands=[
                *_SETUP,
                *(
                    [".venv/bin/deeplens env runtime"]
                    if any(_has_runtime(one) for one in stages)
                    else []
                ),
                "make check",
                "make test",
                ".venv/bin/deeplens review HEAD~1",
            ],
            primary_output_directory="cdk.out",
            build_environment=codebuild.BuildEnvironment(compute_type=_CHECKS_SIZE),
            timeout=_CHECKS_TIMEOUT,
            cache=codebuild.Cache.local(codebuild.LocalCacheMode.CUSTOM),
            partial_build_spec=codebuild.BuildSpec.from_object(
                {**_WITH_PYTHON, "cache": _DOWNLOADS}
            ),
        )
        # The page that who approves reads, as an artifact of the execution.
        synth.add_output_directory("build/review")
        pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            code_pipeline=self._pipeline(),
            synth=synth,
            cli_version=_cli_version(),
            cdk_assets_cli_version=_CDK_ASSETS_VERSION,
            # One role publishes every asset of an account, and one project does it.
            publish_assets_in_parallel=False,
            code_build_defaults=pipelines.CodeBuildOptions(
                build_environment=codebuild.BuildEnvironment(
                    build_image=codebuild.LinuxBuildImage.STANDARD_7_0
                )
            ),
        )
        for stage in stages:
            self._deliver(pipeline, delivery, source, stage)
        pipeline.build_pipeline()
        if delivery.model_package_group:
            self._start_on_approved_packages(pipeline.pipeline, delivery.model_package_group)
        limit_approvals(pipeline.pipeline, hours=delivery.approval_hours)
        narrow(self)

    def _pipeline(self) -> codepipeline.Pipeline:
        key = kms.Key(
            self,
            "ArtifactKey",
            enable_key_rotation=True,
            description="Artifacts of the pipeline",
            removal_policy=KEPT,
        )
        artifacts = s3.Bucket(
            self,
            "Artifacts",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=_ARTIFACT_RETENTION,
                    noncurrent_version_expiration=_REPLACED_RETENTION,
                    abort_incomplete_multipart_upload_after=_REPLACED_RETENTION,
                )
            ],
            server_access_logs_bucket=access_logs(self, retention_days=_ACCESS_LOG_DAYS),
            server_access_logs_prefix="artifacts/",
            removal_policy=KEPT,
        )
        keep_policy_of(artifacts)
        return codepipeline.Pipeline(
            self,
            "CodePipeline",
            artifact_bucket=artifacts,
            pipeline_type=codepipeline.PipelineType.V2,
            # A newer commit takes the place of one that waits, and never overtakes in a stage.
            execution_mode=codepipeline.ExecutionMode.SUPERSEDED,
            restart_execution_on_update=True,
        )

    def _start_on_approved_packages(
        self, pipeline: codepipeline.IPipeline, model_package_group: str
    ) -> None:
        """Start an execution when somebody approves a version of the model package group.

        Source: SageMaker's EventBridge events, "SageMaker Model Package State Change".
        """
        undelivered = UndeliveredEvents(self, "UndeliveredEvents")
        rule = events.Rule(
            self,
            "ModelPackageApproved",
            description=f"A model package of {model_package_group} was approved",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Model Package State Change"],
                detail={
                    "ModelPackageGroupName": [model_package_group],
                    "ModelApprovalStatus": ["Approved"],
                },
            ),
            targets=[targets.CodePipeline(pipeline, dead_letter_queue=undelivered.queue)],
        )
        # CDK's target grants nothing to a queue that it gets as an interface.
        undelivered.accept_from(rule.rule_arn)

    def _deliver(
        self,
        pipeline: pipelines.CodePipeline,
        delivery: DeliveryConfig,
        source: pipelines.IFileSetProducer,
        stage: Delivered,
    ) -> None:
        one = stage.environment
        before: list[pipelines.Step] = []
        if one.name in delivery.approve:
            before.append(
                pipelines.ManualApprovalStep(
                    "Approve",
                    comment=f"{one.name} gets {one.model.name}, SHA-256 {one.model.digest}. Read "
                    "the review page of this execution (artifact of the step Synth) first.",
                )
            )
        gate = pipelines.CodeBuildStep(
            "Gate",
            input=source,
            commands=[
                *_SETUP,
                " ".join(
                    (
                        f".venv/bin/deeplens release check {one.name}",
                        f"--digest {one.model.digest}",
                        f"--bake-minutes {delivery.bake_minutes}",
                        f"--assume-role {_reader(one, qualifier(self))}",
                    )
                ),
            ],
            role_policy_statements=[
                aws_iam.PolicyStatement(
                    sid="AskTheProject",
                    actions=["sts:AssumeRole"],
                    resources=[_reader(one, qualifier(self))],
                )
            ],
            timeout=Duration.minutes(delivery.bake_minutes + 30),
            partial_build_spec=codebuild.BuildSpec.from_object(_WITH_PYTHON),
        )
        pipeline.add_stage(stage.application, pre=before, post=[gate])


def _has_runtime(stage: Delivered) -> bool:
    """Whether an archive is pinned, which git does not have."""
    return bool(stage.environment.runtime.to_pins())


def _reader(environment: EnvironmentConfig, prefix: str) -> str:
    """The role of `cdk bootstrap` that may read the environment's account, and only read."""
    account, region = environment.account, environment.region
    return f"arn:aws:iam::{account}:role/cdk-{prefix}-lookup-role-{account}-{region}"


def _cli_version() -> str:
    """The version of the CDK command line that the checkout itself has."""
    package = json.loads((_ROOT / "package.json").read_text(encoding="utf-8"))
    return str(package["devDependencies"]["aws-cdk"])
