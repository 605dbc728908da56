"""What a core device's certificate may do: be itself, and nothing of another thing's."""

from aws_cdk import Stack, aws_iot
from constructs import Construct

_THING = "${iot:Connection.Thing.ThingName}"


class CoreDevicePolicy(Construct):
    """The IoT policy for the certificates of an environment's core devices.

    Source: AWS IoT Greengrass V2 Developer Guide, "Device authentication and authorization",
    minimal policy, narrowed to the connected thing where thing policy variables are supported.
    """

    def __init__(self, scope: Construct, id_: str, *, role_alias_arn: str, topic: str) -> None:
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
                self._allow("iot:Connect", [self._arn("client", f"{_THING}*")]),
                self._allow(
                    ["iot:Publish", "iot:Receive"], [self._arn("topic", name) for name in reserved]
                ),
                self._allow(
                    "iot:Subscribe",
                    [
                        self._arn("topicfilter", f"{own}/jobs/*"),
                        self._arn("topicfilter", f"{own}/shadow/*"),
                    ],
                ),
                self._allow("iot:Publish", [self._arn("topic", topic.replace("{thing}", _THING))]),
                self._allow("iot:AssumeRoleWithCertificate", [role_alias_arn]),
                # The Greengrass data plane knows neither resources nor thing policy variables.
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

    def _arn(self, kind: str, name: str) -> str:
        return Stack.of(self).format_arn(service="iot", resource=kind, resource_name=name)

    @staticmethod
    def _allow(actions: str | list[str], resources: list[str]) -> dict[str, object]:
        return {"Effect": "Allow", "Action": actions, "Resource": resources}
