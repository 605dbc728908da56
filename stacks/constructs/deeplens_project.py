"""The DeepLens project: a release on a fleet."""

import json
from typing import Any

from aws_cdk import CustomResource, Duration, Stack
from constructs import Construct

from stacks.config import EnvironmentConfig, RolloutConfig
from stacks.constructs.custom_resource_handler import CustomResourceHandler
from stacks.constructs.greengrass_component import Component
from stacks.constructs.greengrass_releases import RELEASES
from stacks.constructs.statements import Statement
from stacks.constructs.verification import see_roll_back

# Lambda's own limit; the wait for the cameras ends before it.
_HANDLER_TIMEOUT = Duration.seconds(900)


class DeepLensProject(Construct):
    """Deploys the complete, pinned component set and is done when the cameras say so."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: EnvironmentConfig,
        model: Component,
        inference: Component,
        runtime: Component | None,
    ) -> None:
        super().__init__(scope, id_)
        self._place = environment.place
        thing_group, rollout = environment.fleet.thing_group, environment.rollout
        handler = CustomResourceHandler(
            self,
            "Handler",
            package="deeplens_project",
            account=environment.account,
            timeout=_HANDLER_TIMEOUT,
            statements=self._statements(thing_group, rollout),
            wildcard_reason="deployments and their jobs get their ids from the service, and things "
            "join the fleet after this stack; Greengrass' lists know no resources",
        )
        components = _core_components() if environment.fleet.core_runtime == "classic" else {}
        # A device keeps what it has configured unless it is told to forget: each release begins
        # with its own defaults, so that v1 → v2 → v1 ends where it began.
        components[model.name] = {
            "componentVersion": model.version,
            **_configuration({}, reset=True),
        }
        if runtime:
            components[runtime.name] = {
                "componentVersion": runtime.version,
                **_configuration({}, reset=True),
            }
        components[inference.name] = {
            "componentVersion": inference.version,
            **_configuration(
                _access_control(inference.name, environment.inference.topic), reset=True
            ),
        }
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::DeepLensProject",
            service_token=handler.service_token,
            properties={
                "ProjectName": environment.name,
                "TargetArn": self._place.arn("iot", f"thinggroup/{thing_group}"),
                "ThingGroupName": thing_group,
                "DeploymentName": deployment_name(environment.name),
                "Components": Stack.of(self).to_json_string(components),
                "DeploymentPolicies": json.dumps(_POLICIES, sort_keys=True),
                "ModelDigest": model.identity,
                "FunctionArn": inference.identity,
                "IotJobConfiguration": json.dumps(rollout.to_job(), sort_keys=True),
                "Rollout": json.dumps(rollout.to_plan(), sort_keys=True),
                "OnDelete": rollout.on_delete,
            },
        )
        resource.node.add_dependency(model.resource, inference.resource)
        self.status = resource.get_att_string("Status")

    def _statements(self, thing_group: str, rollout: RolloutConfig) -> list[Statement]:
        """Permissions to deploy to one thing group and its waves, and to ask their devices.

        Source: the handler permissions of AWS::GreengrassV2::Deployment.
        """
        named = [wave.thing_group for wave in rollout.waves if wave.thing_group]
        groups = [thing_group, *named, *_wave_groups(thing_group, rollout)]
        targets = [self._place.arn("iot", f"thinggroup/{group}") for group in groups]
        return [
            Statement(
                sid="DeployToFleet",
                actions=[
                    "greengrass:CancelDeployment",
                    "greengrass:CreateDeployment",
                    "greengrass:DeleteDeployment",
                    "greengrass:GetDeployment",
                    "greengrass:TagResource",
                ],
                resources=[
                    self._place.arn("greengrass", "deployments"),
                    self._place.arn("greengrass", "deployments:*"),
                    *targets,
                ],
            ),
            # These two know no resources.
            Statement(
                sid="ListDeploymentsAndCoreDevices",
                actions=["greengrass:ListCoreDevices", "greengrass:ListDeployments"],
                resources=["*"],
            ),
            Statement(
                sid="AskCoreDevices",
                actions=[
                    "greengrass:ListEffectiveDeployments",
                    "greengrass:ListInstalledComponents",
                ],
                resources=[self._place.arn("greengrass", "coreDevices:*")],
            ),
            Statement(
                sid="RunJobsOnFleet",
                actions=[
                    "iot:CancelJob",
                    "iot:CreateJob",
                    "iot:DescribeJob",
                    "iot:ListJobExecutionsForJob",
                    "iot:UpdateJob",
                ],
                resources=[self._place.arn("iot", "job/*"), *targets],
            ),
            Statement(
                sid="ReadFleet",
                actions=["iot:DescribeThingGroup", "iot:ListThingsInThingGroup"],
                resources=targets,
            ),
            *self._wave_statements(thing_group, rollout),
            see_roll_back(self, self._place),
            Statement(
                sid="ReadHeartbeats",
                actions=["iot:DescribeThing", "iot:GetThingShadow"],
                resources=[self._place.arn("iot", "thing/*")],
            ),
        ]

    def _wave_statements(self, thing_group: str, rollout: RolloutConfig) -> list[Statement]:
        """Permissions to make the thing groups of shares of the fleet, if there are any."""
        groups = _wave_groups(thing_group, rollout)
        if not groups:
            return []
        return [
            Statement(
                sid="PutShareIntoWave",
                actions=[
                    "iot:AddThingToThingGroup",
                    "iot:CreateThingGroup",
                    "iot:RemoveThingFromThingGroup",
                ],
                resources=[
                    *(self._place.arn("iot", f"thinggroup/{group}") for group in groups),
                    self._place.arn("iot", "thing/*"),
                ],
            )
        ]


def deployment_name(project_name: str) -> str:
    """Return the name of every deployment of a project's."""
    return f"deeplens-{project_name}"


def _wave_groups(thing_group: str, rollout: RolloutConfig) -> list[str]:
    """Names of the groups that the custom resource makes for waves by percentage."""
    return [
        f"{thing_group}-wave-{number}"
        for number, wave in enumerate(rollout.waves, start=1)
        if wave.percent is not None
    ]


_POLICIES = {
    "failureHandlingPolicy": "ROLLBACK",
    "componentUpdatePolicy": {"timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS"},
    "configurationValidationPolicy": {"timeoutInSeconds": 30},
}


def _core_components() -> dict[str, dict[str, Any]]:
    """Pinned parts of the classic core software; lite brings its own and takes none of these."""
    components: dict[str, dict[str, Any]] = {
        name: {"componentVersion": version} for name, version in sorted(RELEASES.items())
    }
    # Lets a component name its own thing in its access control.
    components["aws.greengrass.Nucleus"] |= _configuration(
        {"interpolateComponentConfiguration": True}
    )
    return components


def _access_control(component: str, topic: str) -> dict[str, Any]:
    """What the function may publish and hear; a Lambda component cannot carry this in its recipe.

    Settings reach the camera by its shadow: it asks once (`get`), then hears what differs.
    """
    shadow = "$aws/things/{iot:thingName}/shadow/name/deeplens"
    return {
        "accessControl": {
            "aws.greengrass.ipc.mqttproxy": {
                f"{component}:mqttproxy:1": {
                    "policyDescription": "Detections and the heartbeat of its own thing.",
                    "operations": ["aws.greengrass#PublishToIoTCore"],
                    "resources": [
                        topic.replace("{thing}", "{iot:thingName}"),
                        f"{shadow}/update",
                        f"{shadow}/get",
                    ],
                },
                f"{component}:mqttproxy:2": {
                    "policyDescription": "Settings that the shadow of its own thing desires.",
                    "operations": ["aws.greengrass#SubscribeToIoTCore"],
                    "resources": [f"{shadow}/get/accepted", f"{shadow}/update/delta"],
                },
            }
        }
    }


def _configuration(merge: dict[str, Any], *, reset: bool = False) -> dict[str, Any]:
    """Merge, after everything got the component version's own default if `reset`."""
    update: dict[str, Any] = {"reset": [""]} if reset else {}
    if merge:
        update["merge"] = json.dumps(merge, sort_keys=True)
    return {"configurationUpdate": update}
