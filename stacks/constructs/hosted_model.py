"""A SageMaker model: an archive in S3, and the AWS container image that runs it."""

from aws_cdk import aws_sagemaker
from constructs import Construct

from deeplens.config import VariantConfig
from deeplens.config.deep_learning_containers import ContainerImage
from stacks.constructs.file_assets import UploadedFile
from stacks.constructs.hosting_role import HostingRole
from stacks.constructs.scanner_suppressions import suppress_checkov


class HostedModel(Construct):
    """An immutable model, which is replaced if its archive or its image changes."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        variant: VariantConfig,
        archive: UploadedFile,
        image: ContainerImage,
        role: HostingRole,
        network_isolation: bool,
        subnets: tuple[str, ...],
        security_groups: tuple[str, ...],
    ) -> None:
        super().__init__(scope, id_)
        self.model = aws_sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role.role.role_arn,
            enable_network_isolation=network_isolation,
            primary_container=aws_sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image.uri,
                mode="SingleModel",
                model_data_url=f"s3://{archive.bucket}/{archive.key}",
                environment=variant.environment or None,
            ),
            vpc_config=(
                aws_sagemaker.CfnModel.VpcConfigProperty(
                    subnets=list(subnets), security_group_ids=list(security_groups)
                )
                if subnets
                else None
            ),
        )
        # The container requires the role's permissions when it starts, so the model depends on role
        # and policy.
        self.model.node.add_dependency(role)
        if not network_isolation:
            suppress_checkov(
                self.model,
                {
                    "CKV_AWS_370": "the environment file asks for the network, or the endpoint is "
                    "serverless, where SageMaker has no isolation"
                },
            )
