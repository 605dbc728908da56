"""Training of the head-pose classifier: roles, pipeline, model package group and notebook."""

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import CfnOutput, Stack, aws_sagemaker
from constructs import Construct

from deeplens.config import EnvironmentConfig
from deeplens.config.deep_learning_containers import container_image
from stacks.constructs.file_assets import StackFiles
from stacks.constructs.headpose_pipeline import Surroundings, headpose_pipeline
from stacks.constructs.model_bucket import ModelBucket
from stacks.constructs.notebook import Notebook
from stacks.constructs.training_code import training_code
from stacks.constructs.training_roles import JOB_PREFIX, TrainingRoles


class TrainingStack(Stack):
    """A pipeline that starts training jobs, for which CloudFormation has no resource type."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: EnvironmentConfig,
        model_bucket: ModelBucket,
    ) -> None:
        super().__init__(
            scope, id_, description=f"DeepLens {environment.name}: training of the head poses"
        )
        training = environment.training
        # The delivery pipeline refers to the group by its name.
        group_name = f"{JOB_PREFIX}{environment.name}-headpose"
        group = aws_sagemaker.CfnModelPackageGroup(
            self,
            "Models",
            model_package_group_name=group_name,
            model_package_group_description="Head-pose classifiers that passed the pipeline",
        )
        training_image, verification_image = (
            container_image(
                "tensorflow",
                "training",
                training.framework_version,
                region=environment.region,
                instance_type=instance_type,
            )
            for instance_type in (training.instance_type, training.verification_instance_type)
        )
        code = StackFiles(self).add(training_code(), "sources of the training job")
        roles = TrainingRoles(
            self,
            "Roles",
            model_bucket=model_bucket,
            aws_environment=environment.aws_environment,
            code_bucket=code.bucket,
            code_key=code.key,
            images=[training_image, verification_image],
            model_package_group=group_name,
        )
        definition = headpose_pipeline(
            training,
            Surroundings(
                job_prefix=JOB_PREFIX,
                bucket_uri=f"s3://{model_bucket.bucket_name}",
                code_url=f"s3://{code.bucket}/{code.key}",
                jobs_role_arn=roles.jobs.role_arn,
                key_arn=model_bucket.key_arn,
                training_image=training_image,
                verification_image=verification_image,
                inference_image=container_image(
                    "tensorflow",
                    "inference",
                    training.framework_version,
                    region=environment.region,
                    instance_type="ml.m5.large",
                ),
                model_package_group=group_name,
            ),
        )
        if problems := list(definition.problems()):
            raise ValueError(f"the pipeline's definition: {'; '.join(problems)}")
        pipeline = aws_sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=f"{JOB_PREFIX}{environment.name}-headpose",
            pipeline_description="Train, freeze and verify, register",
            pipeline_definition={"PipelineDefinitionBody": _json_text(self, definition.to_json())},
            role_arn=roles.pipeline.role_arn,
        )
        pipeline.node.add_dependency(roles)
        pipeline.add_resource_dependency(group)
        if training.notebook is not None:
            Notebook(
                self,
                "Notebook",
                account=environment.account,
                settings=training.notebook,
                model_bucket=model_bucket,
            )

        CfnOutput(self, "PipelineName", value=pipeline.pipeline_name)
        CfnOutput(self, "ModelPackageGroupName", value=group_name)


def _json_text(stack: Stack, document: Mapping[str, Any]) -> str:
    """Return the JSON of an object with its null members, which CDK's `to_json_string` omits."""
    members = (
        f"{json.dumps(name)}:{'null' if value is None else stack.to_json_string(value)}"
        for name, value in document.items()
    )
    return f"{{{','.join(members)}}}"
