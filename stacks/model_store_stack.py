"""State: the bucket that cameras download from, and its key."""

from aws_cdk import Stack
from constructs import Construct

from stacks.config import EnvironmentConfig
from stacks.constructs.model_bucket import ModelBucket


class ModelStoreStack(Stack):
    """Kept apart from everything that changes, and protected."""

    def __init__(self, scope: Construct, id_: str, *, environment: EnvironmentConfig) -> None:
        store = environment.model_store
        super().__init__(
            scope,
            id_,
            description=f"DeepLens {environment.name}: model artifacts",
            termination_protection=store.termination_protection,
        )
        self.bucket = ModelBucket(
            self,
            "Models",
            bucket_name=store.bucket_name,
            access_log_retention_days=store.access_log_retention_days,
        )
