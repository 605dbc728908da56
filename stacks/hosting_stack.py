"""A SageMaker endpoint for a model; disabled by default."""

from pathlib import Path

from aws_cdk import CfnOutput, Stack, aws_sns
from constructs import Construct

from deeplens.config import EnvironmentConfig, load_model_data
from deeplens.config.deep_learning_containers import container_image
from stacks.constructs.endpoint_alarms import EndpointAlarms
from stacks.constructs.file_assets import StackFiles, StagedFile
from stacks.constructs.hosted_model import HostedModel
from stacks.constructs.hosting_role import ENDPOINT_LOGS, HostingRole
from stacks.constructs.model_bucket import ModelBucket
from stacks.constructs.model_endpoint import ModelEndpoint

CAPTURE_PREFIX = "datasets/captured"


class HostingStack(Stack):
    """All resources of the endpoint; none is retained, so a deleted stack causes no cost."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: EnvironmentConfig,
        models: Path,
        model_bucket: ModelBucket,
        alarm_topic: aws_sns.ITopic,
    ) -> None:
        """Build the stack; the variants' `model_data` is relative to the folder `models`.

        Raises:
            ConfigError: a variant's archive is absent, differs from the pin, or cannot be loaded.
        """
        super().__init__(
            scope, id_, description=f"DeepLens {environment.name}: a model behind an endpoint"
        )
        hosting = environment.hosting
        name = f"deeplens-{environment.name}"
        log_group_name = f"{ENDPOINT_LOGS}/{name}"
        images = [
            container_image(
                variant.framework,
                "inference",
                variant.framework_version,
                region=environment.region,
                # In serverless mode, this is the default type, whose image is for CPUs.
                instance_type=variant.instance_type,
            )
            for variant in hosting.variants
        ]
        files, archives = StackFiles(self), []
        for variant in hosting.variants:
            data = load_model_data(models, variant)
            archive = StagedFile(data.path, data.digest, ".tar.gz")
            archives.append(files.add(archive, f"model of variant {variant.name}"))
        role = HostingRole(
            self,
            "Role",
            aws_environment=environment.aws_environment,
            archives=[
                environment.aws_environment.s3_arn(archive.bucket, archive.key)
                for archive in archives
            ],
            images=images,
            log_group_name=log_group_name,
            subnets=hosting.subnets,
            security_groups=hosting.security_groups,
        )
        capture_uri = None
        if hosting.data_capture_percent:
            model_bucket.grant_capture(role.role, CAPTURE_PREFIX)
            capture_uri = f"s3://{model_bucket.bucket_name}/{CAPTURE_PREFIX}"
        hosted = [
            HostedModel(
                self,
                f"Model-{variant.name}",
                variant=variant,
                archive=archive,
                image=image,
                role=role,
                network_isolation=hosting.network_isolation and hosting.mode == "instance",
                subnets=hosting.subnets,
                security_groups=hosting.security_groups,
            )
            for variant, archive, image in zip(hosting.variants, archives, images, strict=True)
        ]
        alarms = EndpointAlarms(
            self, "Alarms", endpoint_name=name, hosting=hosting, topic=alarm_topic
        )
        ModelEndpoint(
            self,
            "Endpoint",
            name=name,
            hosting=hosting,
            models=hosted,
            log_group_name=log_group_name,
            alarms=alarms,
            capture_uri=capture_uri,
        )

        CfnOutput(self, "EndpointName", value=name)
        CfnOutput(self, "Variants", value=",".join(variant.name for variant in hosting.variants))
