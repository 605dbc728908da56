"""What a core device's certificate may do: be itself, and nothing of another thing's."""

from aws_cdk import aws_iot
from constructs import Construct

from deeplens.config import Place

_THING = "${iot:Connection.Thing.ThingName}"


class CoreDevicePolicy(Construct):
    """The IoT policy for the certificates of an environment's core devices.

    Source: AWS IoT Greengrass V2 Developer Guide, "Device authentication and authorization",
    minimal policy, narrowed to the thing of the certificate. Certificates are attached to their
    thing exclusively (`deeplens fleet provision`), so the variable has a value whatever the client
    id is.
    """

    def __init__(
        self, scope: Construct, id_: str, *, place: Place, role_alias_arn: str, topic: str
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
                # Beyond 50 subscriptions the core software connects again as `thing#2`, `thing#3`.
                self._allow(
                    "iot:Connect",
                    [place.arn("iot", f"client/{_THING}"), place.arn("iot", f"client/{_THING}#*")],
                ),
                self._allow(
                    ["iot:Publish", "iot:Receive"],
                    [place.arn("iot", f"topic/{name}") for name in reserved],
                ),
                self._allow(
                    "iot:Subscribe",
                    [
                        place.arn("iot", f"topicfilter/{own}/jobs/*"),
                        place.arn("iot", f"topicfilter/{own}/shadow/*"),
                    ],
                ),
                self._allow(
                    "iot:Publish", [place.arn("iot", f"topic/{topic.replace('{thing}', _THING)}")]
                ),
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

    @staticmethod
    def _allow(actions: str | list[str], resources: list[str]) -> dict[str, object]:
        return {"Effect": "Allow", "Action": actions, "Resource": resources}
