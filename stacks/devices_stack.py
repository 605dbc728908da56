"""Identity of the fleet: things, thing group, certificate policy, token exchange role and alias."""

from aws_cdk import CfnOutput, Stack, aws_iot
from constructs import Construct

from deeplens.config import EnvironmentConfig
from deeplens.config.nucleus_components import PINNED_VERSIONS
from stacks.constructs.device_identity import CoreDevicePolicy, TokenExchange


class DevicesStack(Stack):
    """The resources that a core device requires to connect, except certificates and keys."""

    def __init__(self, scope: Construct, id_: str, *, environment: EnvironmentConfig) -> None:
        super().__init__(
            scope, id_, description=f"DeepLens {environment.name}: identity of the cameras"
        )
        aws_iot.CfnThingGroup(
            self,
            "Fleet",
            # Devices join the group by this name, and the project's deployment targets the group.
            thing_group_name=environment.fleet.thing_group,
        )
        for thing in environment.fleet.things:
            # The thing name identifies the camera in certificates, topics and shadows.
            aws_iot.CfnThing(self, f"Thing-{thing}", thing_name=thing)
        token_exchange = TokenExchange(self, "TokenExchange", environment=environment)
        policy = CoreDevicePolicy(
            self,
            "CoreDevice",
            aws_environment=environment.aws_environment,
            role_alias_arn=token_exchange.alias_arn,
            topic=environment.inference.topic,
        )
        self.token_exchange_role = token_exchange.role

        CfnOutput(self, "ThingGroupName", value=environment.fleet.thing_group)
        CfnOutput(self, "CoreDevicePolicyName", value=policy.name)
        CfnOutput(self, "RoleAliasName", value=token_exchange.alias_name)
        CfnOutput(self, "NucleusVersion", value=PINNED_VERSIONS["aws.greengrass.Nucleus"])
