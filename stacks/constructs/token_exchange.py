"""The device's cloud identity: the role that a core device's certificate may be exchanged for."""

from aws_cdk import aws_iam, aws_iot
from constructs import Construct

from deeplens.config import EnvironmentConfig
from stacks.constructs.service_role import service_principal

# The longest that AWS lets a role alias' credentials live without a longer role session.
_CREDENTIALS_LIFETIME_SECONDS = 3600


class TokenExchange(Construct):
    """The token exchange role and its alias; what the role may do is granted where it is used."""

    def __init__(self, scope: Construct, id_: str, *, environment: EnvironmentConfig) -> None:
        super().__init__(scope, id_)
        place = environment.place
        # Named, because the role trusts exactly this alias and the alias names the role.
        self.alias_name = f"deeplens-{environment.name}-token-exchange"
        self.alias_arn = place.arn("iot", f"rolealias/{self.alias_name}")
        self.role = aws_iam.Role(
            self,
            "Role",
            description="What a core device may do in AWS, by its certificate",
            assumed_by=service_principal(
                "credentials.iot.amazonaws.com", account=place.account, source_arn=self.alias_arn
            ),
        )
        aws_iot.CfnRoleAlias(
            self,
            "Alias",
            role_alias=self.alias_name,
            role_arn=self.role.role_arn,
            credential_duration_seconds=_CREDENTIALS_LIFETIME_SECONDS,
        )
