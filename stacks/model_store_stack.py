"""The bucket from which cameras download artifacts, and its key."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from deeplens.config import EnvironmentConfig
from stacks.constructs.model_bucket import HEADPOSE_PREFIXES, ModelBucket


class ModelStoreStack(Stack):
    """The model bucket and its key, with termination protection if the environment enables it."""

    def __init__(self, scope: Construct, id_: str, *, environment: EnvironmentConfig) -> None:
        super().__init__(
            scope,
            id_,
            description=f"DeepLens {environment.name}: model artifacts",
            termination_protection=environment.model_store.termination_protection,
        )
        self.bucket = ModelBucket(self, "Models", environment=environment)

        uri = f"s3://{environment.model_store.bucket_name}"
        CfnOutput(self, "BucketName", value=environment.model_store.bucket_name)
        CfnOutput(self, "Components", value=f"{uri}/components/")
        CfnOutput(self, "Datasets", value=f"{uri}/datasets/")
        for name in HEADPOSE_PREFIXES:
            CfnOutput(self, f"Headpose{name}", value=f"{uri}/headpose/{name}/")
