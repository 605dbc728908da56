"""One model as SageMaker knows it: an archive in S3, and the container of AWS' that runs it."""

from dataclasses import dataclass

from aws_cdk import FileAssetPackaging, Stack, Stage, aws_sagemaker
from constructs import Construct

from stacks.config import ModelData, VariantConfig
from stacks.config.deep_learning_containers import ContainerImage
from stacks.constructs.findings import accept_checkov
from stacks.constructs.hosting_role import HostingRole
from stacks.constructs.staged_file import StagedFile, stage_beside_templates


@dataclass(frozen=True)
class UploadedArchive:
    """Where `cdk deploy` puts a model's archive."""

    url: str
    object_arn: str


def upload_archive(scope: Construct, variant: VariantConfig, data: ModelData) -> UploadedArchive:
    """Add the archive to the stack's assets, under a key that is its SHA-256."""
    stack = Stack.of(scope)
    location = stack.synthesizer.add_file_asset(
        # CDK's key ends in the file's last suffix only, and SageMaker wants both.
        source_hash=f"{data.digest}.tar",
        file_name=stage_beside_templates(
            Stage.of(scope), StagedFile(data.path, data.digest), ".tar.gz"
        ),
        packaging=FileAssetPackaging.FILE,
        display_name=f"model of variant {variant.name}",
    )
    return UploadedArchive(
        f"s3://{location.bucket_name}/{location.object_key}",
        f"arn:{stack.partition}:s3:::{location.bucket_name}/{location.object_key}",
    )


class HostedModel(Construct):
    """Models never change: another archive or image is another model, and the old one goes."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        variant: VariantConfig,
        archive: UploadedArchive,
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
                model_data_url=archive.url,
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
        # The permissions must be there when the container starts, not only the role.
        self.model.node.add_dependency(role)
        if not network_isolation:
            accept_checkov(
                self.model,
                {
                    "CKV_AWS_370": "the environment file asks for the network, or the endpoint is "
                    "serverless, where SageMaker has no isolation"
                },
            )
