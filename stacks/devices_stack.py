"""The fleet's identity: things and their group, certificate policy, token exchange role, alias."""

from aws_cdk import CfnOutput, Stack, aws_iot
from constructs import Construct

from deeplens.config import EnvironmentConfig
from deeplens.config.nucleus_components import RELEASES
from stacks.constructs.core_device_policy import CoreDevicePolicy
from stacks.constructs.token_exchange import TokenExchange


class DevicesStack(Stack):
    """What a core device needs before it may join; no certificate or key passes through here."""

    def __init__(self, scope: Construct, id_: str, *, environment: EnvironmentConfig) -> None:
        super().__init__(
            scope, id_, description=f"DeepLens {environment.name}: identity of the cameras"
        )
        aws_iot.CfnThingGroup(
            self,
            "Fleet",
            # Devices join by this name, and the project's deployment targets it.
            thing_group_name=environment.fleet.thing_group,
        )
        for thing in environment.fleet.things:
            # A thing's name is the camera's identity: certificates, topics and shadows carry it.
            aws_iot.CfnThing(self, f"Thing-{thing}", thing_name=thing)
        token_exchange = TokenExchange(self, "TokenExchange", environment=environment)
        policy = CoreDevicePolicy(
            self,
            "CoreDevice",
            place=environment.place,
            role_alias_arn=token_exchange.alias_arn,
            topic=environment.inference.topic,
        )
        self.token_exchange_role = token_exchange.role

        CfnOutput(self, "ThingGroupName", value=environment.fleet.thing_group)
        CfnOutput(self, "CoreDevicePolicyName", value=policy.name)
        CfnOutput(self, "RoleAliasName", value=token_exchange.alias_name)
        CfnOutput(self, "NucleusVersion", value=RELEASES["aws.greengrass.Nucleus"])
