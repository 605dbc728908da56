"""The DeepLens project: a release on a fleet."""

import json
from typing import Any

from aws_cdk import CustomResource, Stack, aws_iam
from constructs import Construct

from stacks.constructs.custom_resource_handler import CustomResourceHandler
from stacks.constructs.greengrass_component import Component
from stacks.constructs.greengrass_releases import RELEASES

# Lambda's own limit; the wait for the cameras ends before it.
_HANDLER_TIMEOUT_SECONDS = 900


class DeepLensProject(Construct):
    """Deploys the complete, pinned component set and is done when the cameras say so."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project_name: str,
        thing_group: str,
        model: Component,
        inference: Component,
        topic: str,
        wait_seconds: int,
    ) -> None:
        super().__init__(scope, id_)
        target_arn = self._arn("iot", f"thinggroup/{thing_group}")
        handler = CustomResourceHandler(
            self,
            "Handler",
            package="deeplens_project",
            timeout_seconds=_HANDLER_TIMEOUT_SECONDS,
            statements=self._statements(target_arn),
            wildcard_reason="deployments and their jobs get their ids from the service, and things "
            "join the fleet after this stack",
        )
        components = {
            name: {"componentVersion": version} for name, version in sorted(RELEASES.items())
        }
        # Lets the component below name its own thing in its access control.
        components["aws.greengrass.Nucleus"] |= _merge({"interpolateComponentConfiguration": True})
        components[model.name] = {"componentVersion": model.version}
        components[inference.name] = {
            "componentVersion": inference.version,
            **_merge(_access_control(inference.name, topic)),
        }
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::DeepLensProject",
            service_token=handler.service_token,
            properties={
                "ProjectName": project_name,
                "TargetArn": target_arn,
                "ThingGroupName": thing_group,
                "DeploymentName": f"deeplens-{project_name}",
                "Components": Stack.of(self).to_json_string(components),
                "DeploymentPolicies": json.dumps(_POLICIES, sort_keys=True),
                "ModelDigest": model.identity,
                "FunctionArn": inference.identity,
                "WaitSeconds": wait_seconds,
            },
        )
        resource.node.add_dependency(model.resource, inference.resource)
        self.status = resource.get_att_string("Status")

    def _statements(self, target_arn: str) -> list[aws_iam.PolicyStatement]:
        """Permissions to deploy to one thing group and to ask its devices.

        Source: the handler permissions of AWS::GreengrassV2::Deployment.
        """
        return [
            aws_iam.PolicyStatement(
                sid="DeployToFleet",
                actions=[
                    "greengrass:CancelDeployment",
                    "greengrass:CreateDeployment",
                    "greengrass:DeleteDeployment",
                    "greengrass:GetDeployment",
                    "greengrass:ListDeployments",
                    "greengrass:TagResource",
                ],
                resources=[
                    self._arn("greengrass", "deployments"),
                    self._arn("greengrass", "deployments:*"),
                    target_arn,
                ],
            ),
            aws_iam.PolicyStatement(
                sid="AskCoreDevices",
                actions=["greengrass:GetCoreDevice", "greengrass:ListEffectiveDeployments"],
                resources=[self._arn("greengrass", "coreDevices:*")],
            ),
            aws_iam.PolicyStatement(
                sid="RunJobsOnFleet",
                actions=["iot:CancelJob", "iot:CreateJob", "iot:DescribeJob", "iot:UpdateJob"],
                resources=[self._arn("iot", "job/*"), target_arn],
            ),
            aws_iam.PolicyStatement(
                sid="ReadFleet",
                actions=["iot:DescribeThingGroup", "iot:ListThingsInThingGroup"],
                resources=[target_arn],
            ),
            aws_iam.PolicyStatement(
                sid="ReadHeartbeats",
                actions=["iot:DescribeThing", "iot:GetThingShadow"],
                resources=[self._arn("iot", "thing/*")],
            ),
        ]

    def _arn(self, service: str, resource: str) -> str:
        return Stack.of(self).format_arn(service=service, resource=resource)


_POLICIES = {
    "failureHandlingPolicy": "ROLLBACK",
    "componentUpdatePolicy": {"timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS"},
    "configurationValidationPolicy": {"timeoutInSeconds": 30},
}


def _access_control(component: str, topic: str) -> dict[str, Any]:
    """What the function may publish; a Lambda component cannot carry this in its recipe."""
    return {
        "accessControl": {
            "aws.greengrass.ipc.mqttproxy": {
                f"{component}:mqttproxy:1": {
                    "policyDescription": "Detections and the heartbeat of its own thing.",
                    "operations": ["aws.greengrass#PublishToIoTCore"],
                    "resources": [
                        topic.replace("{thing}", "{iot:thingName}"),
                        "$aws/things/{iot:thingName}/shadow/name/deeplens/update",
                    ],
                }
            }
        }
    }


def _merge(configuration: dict[str, Any]) -> dict[str, Any]:
    return {"configurationUpdate": {"merge": json.dumps(configuration, sort_keys=True)}}
