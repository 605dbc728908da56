"""The delivery pipeline: one synthesis, then each environment with its gate, in order."""

import json
from collections.abc import Sequence
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
from stacks.constructs.iam import permissions_boundary
from stacks.constructs.pipeline_permissions import apply_least_privilege, qualifier
from stacks.constructs.retained_buckets import RETAINED, access_log_bucket, retain_policy_of
from stacks.constructs.undelivered_events import UndeliveredEvents

_ROOT = Path(__file__).resolve().parent.parent
_SETUP = ["make setup"]
# The Python version of functions and devices; the build image contains several versions.
_WITH_PYTHON = {
    "version": "0.2",
    "phases": {"install": {"runtime-versions": {"python": "3.12"}}},
}
# The size of the build with checks and tests, which start several processes with TensorFlow and
# OpenVINO: 8 vCPUs and 15 GiB of memory.
_CHECKS_SIZE = codebuild.ComputeType.LARGE
_CHECKS_TIMEOUT = Duration.hours(2)
# The folders with the downloads of `make setup`, about 800 MB. The cache is on the build host and
# requires no permissions.
_DOWNLOADS = {"paths": ["/root/.cache/uv/**/*", "/root/.npm/**/*"]}
# The pinned version of cdk-assets. Without a version, each execution would use the newest version
# without a review.
_CDK_ASSETS_VERSION = "4.7.3"
# The retention of artifacts. An execution waits up to a week for each approval. A rollback of a
# stage uses an earlier execution, whose artifacts must still exist.
_ARTIFACT_RETENTION = Duration.days(90)
_REPLACED_RETENTION = Duration.days(7)
_ACCESS_LOG_DAYS = 90


class DeliveryStack(Stack):
    """A pipeline that synthesizes one assembly and deploys it to each environment."""

    def __init__(
        self,
        scope: Construct,
        delivery: DeliveryConfig,
        *,
        stages: Sequence[DeepLensApplication],
    ) -> None:
        """Build the pipeline; `stages` contains the environments in the order of deployment."""
        super().__init__(
            scope,
            "Delivery",
            description="DeepLens: releases go from environment to environment",
            env=Environment(account=delivery.account, region=delivery.region),
            permissions_boundary=permissions_boundary(delivery.permissions_boundary),
        )
        source = pipelines.CodePipelineSource.connection(
            delivery.repository,
            delivery.branch,
            connection_arn=delivery.connection_arn,
            # The review compares the commit with its predecessor, so it requires the history.
            code_build_clone_output=True,
        )
        synth = pipelines.CodeBuildStep(
            "Synth",
            input=source,
            commands=[
                *_SETUP,
                *(
                    [".venv/bin/deeplens env runtime"]
                    if any(_pins_runtime(stage) for stage in stages)
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
        # The execution's artifacts contain the review page for the person who approves.
        synth.add_output_directory("build/review")
        pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            code_pipeline=self._pipeline(),
            synth=synth,
            cli_version=_cli_version(),
            cdk_assets_cli_version=_CDK_ASSETS_VERSION,
            # Without parallel steps, one role and one project publish all assets of an account.
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
        _limit_approvals(pipeline.pipeline, hours=delivery.approval_hours)
        apply_least_privilege(self)

    def _pipeline(self) -> codepipeline.Pipeline:
        key = kms.Key(
            self,
            "ArtifactKey",
            enable_key_rotation=True,
            description="Artifacts of the pipeline",
            removal_policy=RETAINED,
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
            server_access_logs_bucket=access_log_bucket(self, retention_days=_ACCESS_LOG_DAYS),
            server_access_logs_prefix="artifacts/",
            removal_policy=RETAINED,
        )
        retain_policy_of(artifacts)
        return codepipeline.Pipeline(
            self,
            "CodePipeline",
            artifact_bucket=artifacts,
            pipeline_type=codepipeline.PipelineType.V2,
            # A newer execution supersedes an execution that waits between stages, but not one
            # within a stage.
            execution_mode=codepipeline.ExecutionMode.SUPERSEDED,
            restart_execution_on_update=True,
        )

    def _start_on_approved_packages(
        self, pipeline: codepipeline.IPipeline, model_package_group: str
    ) -> None:
        """Start an execution when a version of the model package group is approved.

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
        # CDK's target does not grant access to a queue that is passed as an interface.
        undelivered.accept_from(rule.rule_arn)

    def _deliver(
        self,
        pipeline: pipelines.CodePipeline,
        delivery: DeliveryConfig,
        source: pipelines.IFileSetProducer,
        stage: DeepLensApplication,
    ) -> None:
        environment = stage.environment_config
        before: list[pipelines.Step] = []
        if environment.name in delivery.approve:
            before.append(
                pipelines.ManualApprovalStep(
                    "Approve",
                    comment=f"{environment.name} gets {environment.model.name}, "
                    f"SHA-256 {environment.model.digest}. Read the review page of this execution "
                    "(artifact of the step Synth) first.",
                )
            )
        gate = pipelines.CodeBuildStep(
            "Gate",
            input=source,
            commands=[
                *_SETUP,
                " ".join(
                    (
                        f".venv/bin/deeplens release check {environment.name}",
                        f"--digest {environment.model.digest}",
                        f"--bake-minutes {delivery.bake_minutes}",
                        f"--assume-role {_reader(environment, qualifier(self))}",
                    )
                ),
            ],
            role_policy_statements=[
                aws_iam.PolicyStatement(
                    sid="AskTheProject",
                    actions=["sts:AssumeRole"],
                    resources=[_reader(environment, qualifier(self))],
                )
            ],
            timeout=Duration.minutes(delivery.bake_minutes + 30),
            partial_build_spec=codebuild.BuildSpec.from_object(_WITH_PYTHON),
        )
        pipeline.add_stage(stage, pre=before, post=[gate])


def _pins_runtime(stage: DeepLensApplication) -> bool:
    """Return True if the environment pins a runtime archive, which git does not contain."""
    return bool(stage.environment_config.runtime.to_pins())


def _reader(environment: EnvironmentConfig, prefix: str) -> str:
    """Return the ARN of the read-only role of `cdk bootstrap` in the environment's account."""
    account, region = environment.account, environment.region
    return f"arn:aws:iam::{account}:role/cdk-{prefix}-lookup-role-{account}-{region}"


def _cli_version() -> str:
    """Return the version of the CDK CLI in the checkout's package.json."""
    package = json.loads((_ROOT / "package.json").read_text(encoding="utf-8"))
    return str(package["devDependencies"]["aws-cdk"])


def _limit_approvals(pipeline: codepipeline.Pipeline, *, hours: int) -> None:
    """End each wait for an approval after `hours`, because a review becomes outdated.

    This limit is a property of CodePipeline's actions, but not of `ManualApprovalStep`.
    """
    definition = pipeline.node.default_child
    if not isinstance(definition, codepipeline.CfnPipeline):
        raise TypeError(f"{pipeline.node.path}: expected a pipeline, given {definition!r}")
    for position, stage in enumerate(Stack.of(pipeline).resolve(definition.stages)):
        for number, action in enumerate(stage["actions"]):
            if action["actionTypeId"]["category"] == "Approval":
                definition.add_property_override(
                    f"Stages.{position}.Actions.{number}.TimeoutInMinutes", hours * 60
                )
