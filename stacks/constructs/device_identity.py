"""Identity of core devices: the policy of their certificates, and their token exchange role."""

from aws_cdk import aws_iam, aws_iot
from constructs import Construct

from deeplens.config import AwsEnvironment, EnvironmentConfig
from stacks.constructs.service_role import service_principal

# The maximum credential duration of a role alias, unless the role has a longer session duration.
_CREDENTIALS_LIFETIME_SECONDS = 3600
_THING = "${iot:Connection.Thing.ThingName}"


class TokenExchange(Construct):
    """The token exchange role and its alias; other stacks grant permissions to the role."""

    def __init__(self, scope: Construct, id_: str, *, environment: EnvironmentConfig) -> None:
        super().__init__(scope, id_)
        aws_environment = environment.aws_environment
        # With a generated name, the role's trust policy and the alias would refer to each other.
        self.alias_name = f"deeplens-{environment.name}-token-exchange"
        self.alias_arn = aws_environment.arn("iot", f"rolealias/{self.alias_name}")
        self.role = aws_iam.Role(
            self,
            "Role",
            description="What a core device may do in AWS, by its certificate",
            assumed_by=service_principal(
                "credentials.iot.amazonaws.com",
                account=aws_environment.account,
                source_arn=self.alias_arn,
            ),
        )
        aws_iot.CfnRoleAlias(
            self,
            "Alias",
            role_alias=self.alias_name,
            role_arn=self.role.role_arn,
            credential_duration_seconds=_CREDENTIALS_LIFETIME_SECONDS,
        )


class CoreDevicePolicy(Construct):
    """The IoT policy for the certificates of an environment's core devices.

    Source: AWS IoT Greengrass V2 Developer Guide, "Device authentication and authorization",
    minimal policy, limited to the thing of the certificate. Each certificate is attached to its
    thing exclusively (`deeplens fleet provision`), so the thing policy variable has a value for
    each client id.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        aws_environment: AwsEnvironment,
        role_alias_arn: str,
        topic: str,
    ) -> None:
        super().__init__(scope, id_)
        own = f"$aws/things/{_THING}"
        reserved = [
            f"{own}/greengrass/health/json",
            f"{own}/greengrassv2/health/json",
            f"{own}/jobs/*",
            f"{own}/shadow/*",
        ]
        document = {
            "Version": "2012-10-17",
            "Statement": [
                # With more than 50 subscriptions, the core also connects as `thing#2`, `thing#3`.
                self._allow(
                    "iot:Connect",
                    [
                        aws_environment.arn("iot", f"client/{_THING}"),
                        aws_environment.arn("iot", f"client/{_THING}#*"),
                    ],
                ),
                self._allow(
                    ["iot:Publish", "iot:Receive"],
                    [aws_environment.arn("iot", f"topic/{name}") for name in reserved],
                ),
                self._allow(
                    "iot:Subscribe",
                    [
                        aws_environment.arn("iot", f"topicfilter/{own}/jobs/*"),
                        aws_environment.arn("iot", f"topicfilter/{own}/shadow/*"),
                    ],
                ),
                self._allow(
                    "iot:Publish",
                    [aws_environment.arn("iot", f"topic/{topic.replace('{thing}', _THING)}")],
                ),
                self._allow("iot:AssumeRoleWithCertificate", [role_alias_arn]),
                # The Greengrass data plane supports neither resources nor thing policy variables.
                self._allow(
                    [
                        "greengrass:GetComponentVersionArtifact",
                        "greengrass:GetDeploymentConfiguration",
                        "greengrass:ListThingGroupsForCoreDevice",
                        "greengrass:ResolveComponentCandidates",
                    ],
                    ["*"],
                ),
            ],
        }
        self.name = aws_iot.CfnPolicy(self, "Policy", policy_document=document).ref

    @staticmethod
    def _allow(actions: str | list[str], resources: list[str]) -> dict[str, object]:
        return {"Effect": "Allow", "Action": actions, "Resource": resources}
