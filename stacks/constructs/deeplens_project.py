"""The DeepLens project: the deployment of a release to a fleet."""

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import CustomResource, Duration, Stack
from constructs import Construct

from deeplens.config import ComponentKind, EnvironmentConfig, RolloutConfig
from deeplens.config.nucleus_components import versions_to_pin
from stacks.constructs.custom_resource_handler import CustomResourceHandler
from stacks.constructs.greengrass_component import Component
from stacks.constructs.iam import Statement
from stacks.constructs.release_stack import describe_own_stack, release_stack_arn
from stacks.recipes import LONGEST_VERSION, check_job_document

# Lambda's maximum timeout; the wait for the devices ends earlier.
_HANDLER_TIMEOUT = Duration.seconds(900)
# The maximum length of a thing group name in AWS IoT, in characters.
_LONGEST_GROUP_NAME = 128


class DeepLensProject(Construct):
    """A custom resource that deploys a pinned component set, and waits for the devices' reports."""

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
        self._aws_environment, self._environment = environment.aws_environment, environment.name
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
        is_classic = environment.fleet.core_runtime == "classic"
        components = _core_components(environment.component) if is_classic else {}
        # A device retains its configuration unless a deployment resets it. Each release starts with
        # its own defaults, so that a return from v2 to v1 restores the configuration of v1.
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
        target_arn = self._aws_environment.arn("iot", f"thinggroup/{thing_group}")
        if environment.fleet.core_runtime == "lite":
            self._check_job_document(target_arn, components, has_waves=bool(rollout.waves))
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::DeepLensProject",
            service_token=handler.service_token,
            properties={
                "ProjectName": environment.name,
                "TargetArn": target_arn,
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

    def _check_job_document(
        self, target_arn: str, components: Mapping[str, Mapping[str, Any]], *, has_waves: bool
    ) -> None:
        wave = self._aws_environment.arn("iot", f"thinggroup/{'w' * _LONGEST_GROUP_NAME}")
        check_job_document(
            deployment_name(self._environment),
            target_arn=wave if has_waves else target_arn,
            parent_target_arn=target_arn if has_waves else None,
            components={
                # The version of the function is unknown before the deployment.
                name: {**component, "componentVersion": LONGEST_VERSION}
                for name, component in components.items()
            },
            policies=_POLICIES,
        )

    def _statements(self, thing_group: str, rollout: RolloutConfig) -> list[Statement]:
        """Return permissions to deploy to a thing group and its waves, and to query devices.

        Source: Service Authorization Reference, AWS IoT Greengrass V2, with the dependent actions.
        """
        named = [wave.thing_group for wave in rollout.waves if wave.thing_group]
        waves = wave_group_name(self._environment, "*")
        targets = [
            self._aws_environment.arn("iot", f"thinggroup/{group}")
            for group in [thing_group, *named]
        ]
        targets.append(self._aws_environment.arn("iot", f"thinggroup/{waves}"))
        return [
            # IAM evaluates this action on "*", because a deployment has no ARN before its creation.
            # The tags restrict it to this stack, and the permission to create a job restricts it to
            # the fleet.
            Statement(
                sid="CreateDeployments",
                actions=["greengrass:CreateDeployment"],
                resources=["*"],
                conditions={
                    "StringLike": {
                        "aws:RequestTag/deeplens:owner": release_stack_arn(
                            self, self._aws_environment
                        )
                    },
                    "ForAllValues:StringLike": {"aws:TagKeys": "deeplens:*"},
                    # If the request has no tags, "ForAllValues" is true.
                    "Null": {"aws:TagKeys": "false"},
                },
            ),
            Statement(
                sid="ManageDeployments",
                actions=[
                    "greengrass:CancelDeployment",
                    "greengrass:DeleteDeployment",
                    "greengrass:GetDeployment",
                    "greengrass:TagResource",
                ],
                resources=[self._aws_environment.arn("greengrass", "deployments:*")],
            ),
            # These two actions do not support resource-level permissions.
            Statement(
                sid="ListDeploymentsAndCoreDevices",
                actions=["greengrass:ListCoreDevices", "greengrass:ListDeployments"],
                resources=["*"],
            ),
            Statement(
                sid="QueryCoreDevices",
                actions=[
                    "greengrass:ListEffectiveDeployments",
                    "greengrass:ListInstalledComponents",
                ],
                resources=[self._aws_environment.arn("greengrass", "coreDevices:*")],
            ),
            Statement(
                sid="RunJobsOnFleet",
                actions=["iot:CreateJob"],
                resources=[self._aws_environment.arn("iot", "job/*"), *targets],
                without_call=_by_greengrass("CreateDeployment"),
            ),
            Statement(
                sid="ManageJobs",
                actions=["iot:CancelJob", "iot:DeleteJob", "iot:DescribeJob", "iot:UpdateJob"],
                resources=[self._aws_environment.arn("iot", "job/*")],
                without_call=_by_greengrass(
                    "CreateDeployment, CancelDeployment, DeleteDeployment and GetDeployment"
                ),
            ),
            Statement(
                sid="DescribeJobExecutions",
                actions=["iot:DescribeJobExecution"],
                resources=[
                    self._aws_environment.arn("iot", "job/*"),
                    self._aws_environment.arn("iot", "thing/*"),
                ],
                without_call=_by_greengrass("ListEffectiveDeployments"),
            ),
            # All groups are permitted, because a device can be a member of several groups.
            Statement(
                sid="DescribeThingsAndGroups",
                actions=["iot:DescribeThing", "iot:DescribeThingGroup"],
                resources=[
                    self._aws_environment.arn("iot", "thing/*"),
                    self._aws_environment.arn("iot", "thinggroup/*"),
                ],
                without_call=_by_greengrass(
                    "CreateDeployment, GetDeployment, ListDeployments and ListEffectiveDeployments"
                ),
            ),
            Statement(
                sid="ReadJobs",
                actions=["iot:ListJobExecutionsForJob"],
                resources=[self._aws_environment.arn("iot", "job/*")],
            ),
            Statement(sid="ReadFleet", actions=["iot:ListThingsInThingGroup"], resources=targets),
            Statement(
                sid="PutShareIntoWave",
                actions=[
                    "iot:AddThingToThingGroup",
                    "iot:CreateThingGroup",
                    "iot:DeleteThingGroup",
                    "iot:RemoveThingFromThingGroup",
                ],
                resources=[
                    self._aws_environment.arn("iot", f"thinggroup/{waves}"),
                    self._aws_environment.arn("iot", "thing/*"),
                ],
                # A release without waves also requires these permissions, to delete the groups of
                # an earlier release.
                without_call="only a release with waves by percentage creates and deletes groups",
            ),
            describe_own_stack(self, self._aws_environment),
            Statement(
                sid="ReadHeartbeats",
                actions=["iot:GetThingShadow"],
                resources=[self._aws_environment.arn("iot", "thing/*")],
            ),
        ]


def deployment_name(project_name: str) -> str:
    """Return the name of a project's deployments."""
    return f"deeplens-{project_name}"


def wave_group_name(environment: str, wave: int | str) -> str:
    """Return the name prefix of the thing groups that the handler creates for a wave.

    The handler appends the fleet's group. The prefix contains the environment, so the handler
    also has permissions for the groups of a renamed fleet.
    """
    return f"{deployment_name(environment)}-wave-{wave}"


def _by_greengrass(operations: str) -> str:
    return (
        f"AWS IoT Greengrass calls it for {operations}, with the rights of the caller "
        "(Service Authorization Reference, dependent actions)"
    )


_POLICIES = {
    "failureHandlingPolicy": "ROLLBACK",
    "componentUpdatePolicy": {"timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS"},
    "configurationValidationPolicy": {"timeoutInSeconds": 30},
}


def _core_components(component: ComponentKind) -> dict[str, dict[str, Any]]:
    """Return the pinned components of the classic core software, by name."""
    components: dict[str, dict[str, Any]] = {
        name: {"componentVersion": version}
        for name, version in sorted(versions_to_pin(component).items())
    }
    # With this setting, the nucleus replaces `{iot:thingName}` in access control policies.
    components["aws.greengrass.Nucleus"] |= _configuration(
        {"interpolateComponentConfiguration": True}
    )
    return components


def _access_control(component: str, topic: str) -> dict[str, Any]:
    """Return the function's IPC permissions, which a Lambda component's recipe cannot contain.

    The camera reads its shadow's settings once (`get`), and then each difference (`delta`).
    """
    shadow = "$aws/things/{iot:thingName}/shadow/name/deeplens"
    return {
        "accessControl": {
            "aws.greengrass.ipc.mqttproxy": {
                f"{component}:mqttproxy:1": {
                    "policyDescription": "Publish detections and the heartbeat of this thing.",
                    "operations": ["aws.greengrass#PublishToIoTCore"],
                    "resources": [
                        topic.replace("{thing}", "{iot:thingName}"),
                        f"{shadow}/update",
                        f"{shadow}/get",
                    ],
                },
                f"{component}:mqttproxy:2": {
                    "policyDescription": "Receive the desired settings of this thing.",
                    "operations": ["aws.greengrass#SubscribeToIoTCore"],
                    "resources": [f"{shadow}/get/accepted", f"{shadow}/update/delta"],
                },
            }
        }
    }


def _configuration(merge: dict[str, Any], *, reset: bool = False) -> dict[str, Any]:
    """Return a configuration update; if `reset` is True, the update first restores the defaults."""
    update: dict[str, Any] = {"reset": [""]} if reset else {}
    if merge:
        update["merge"] = json.dumps(merge, sort_keys=True)
    return {"configurationUpdate": update}
