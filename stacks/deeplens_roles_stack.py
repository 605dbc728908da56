"""The roles that DeepLens fixed by name: once per account, and only where they are asked for."""

from aws_cdk import Stack
from constructs import Construct

from deeplens.config import EnvironmentConfig
from stacks.constructs.deeplens_roles import DeepLensRoles
from stacks.constructs.model_bucket import ModelBucket


class DeepLensRolesStack(Stack):
    """Apart from the fleet: devices of Greengrass V2 need none of these."""

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
        DeepLensRoles(self, "Roles", place=environment.place, model_bucket=model_bucket)
