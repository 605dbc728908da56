"""The roles with DeepLens' fixed names, for at most one environment of an account."""

from aws_cdk import Stack
from constructs import Construct

from deeplens.config import EnvironmentConfig
from stacks.constructs.deeplens_roles import DeepLensRoles
from stacks.constructs.model_bucket import ModelBucket


class DeepLensRolesStack(Stack):
    """A separate stack for the DeepLens roles, which devices with Greengrass V2 do not require."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: EnvironmentConfig,
        model_bucket: ModelBucket,
    ) -> None:
        super().__init__(
            scope, id_, description=f"DeepLens {environment.name}: the roles DeepLens named"
        )
        DeepLensRoles(
            self, "Roles", aws_environment=environment.aws_environment, model_bucket=model_bucket
        )
