"""A notebook instance for data analysis, with minimal permissions."""

from aws_cdk import Duration, RemovalPolicy, aws_iam, aws_kms, aws_sagemaker
from constructs import Construct

from deeplens.config.training import NotebookConfig
from stacks.constructs.model_bucket import ModelBucket
from stacks.constructs.service_role import service_principal


class Notebook(Construct):
    """An encrypted notebook for data sets, with IMDSv2, without internet and root access."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        account: str,
        settings: NotebookConfig,
        model_bucket: ModelBucket,
    ) -> None:
        super().__init__(scope, id_)
        key = aws_kms.Key(
            self,
            "Key",
            description="The notebook's disk",
            enable_key_rotation=True,
            # The volume is deleted with the notebook, so the key is no longer used.
            removal_policy=RemovalPolicy.DESTROY,
            pending_window=Duration.days(7),
        )
        role = aws_iam.Role(
            self, "Role", assumed_by=service_principal("sagemaker.amazonaws.com", account=account)
        )
        model_bucket.grant_work(role)
        notebook = aws_sagemaker.CfnNotebookInstance(
            self,
            "Instance",
            instance_type=settings.instance_type,
            role_arn=role.role_arn,
            subnet_id=settings.subnet,
            security_group_ids=list(settings.security_groups),
            direct_internet_access="Disabled",
            root_access="Disabled",
            kms_key_id=key.key_arn,
            volume_size_in_gb=settings.volume_gib,
            platform_identifier="notebook-al2023-v1",
            instance_metadata_service_configuration=(
                aws_sagemaker.CfnNotebookInstance.InstanceMetadataServiceConfigurationProperty(
                    minimum_instance_metadata_service_version="2"
                )
            ),
        )
        notebook.node.add_dependency(role)
