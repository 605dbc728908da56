"""The DeepLens project: a release on a fleet."""

import json
from functools import partial
from typing import Any

from troposphere import Ref, Sub, awslambda
from troposphere.cloudformation import CustomResource

from benchmarks.peers.troposphere_stacks.environment import Environment
from benchmarks.peers.troposphere_stacks.functions import WITH_STACK, add_handler
from benchmarks.peers.troposphere_stacks.greengrass import (
    Component,
    access_control,
    core_components,
)
from benchmarks.peers.troposphere_stacks.policies import Statement, allow, arn_of
from benchmarks.peers.troposphere_stacks.stack import Stack


class DeepLensProject(CustomResource):  # type: ignore[misc]  # troposphere has no types
    """A release on a fleet."""

    resource_type = "Custom::DeepLensProject"


def add_project(
    stack: Stack,
    published: awslambda.Version,
    model: Component,
    component: Component,
) -> Any:
    """Deploy a complete, pinned set of components to a thing group."""
    environment = stack.environment
    handler = add_handler(
        stack,
        "ProjectHandler",
        package="deeplens_project",
        timeout_seconds=900,
        statements=_project_statements(environment),
    )
    group = environment.fleet["thing_group"]
    merge = json.dumps(access_control(component.name, environment.inference["topic"]))
    components = {
        **core_components(),
        model.name: {
            "componentVersion": model.version,
            "configurationUpdate": {"reset": [""]},
        },
        component.name: {
            "componentVersion": component.version,
            "configurationUpdate": {"reset": [""], "merge": merge},
        },
    }
    rule = dict(environment.rollout)
    plan = {"waves": [], **{name: rule.pop(name) for name in ("wait_seconds", "bake_seconds")}}
    on_delete = rule.pop("on_delete")
    return stack.add(
        DeepLensProject(
            "Project",
            ServiceToken=arn_of(handler.resource),
            ProjectName=environment.name,
            TargetArn=environment.arn("iot", f"thinggroup/{group}"),
            ThingGroupName=group,
            DeploymentName=f"deeplens-{environment.name}",
            Components=Sub(json.dumps(components)),
            DeploymentPolicies=json.dumps(
                {
                    "failureHandlingPolicy": "ROLLBACK",
                    "componentUpdatePolicy": {
                        "timeoutInSeconds": 60,
                        "action": "NOTIFY_COMPONENTS",
                    },
                    "configurationValidationPolicy": {"timeoutInSeconds": 30},
                }
            ),
            ModelDigest=environment.model["digest"],
            FunctionArn=Ref(published),
            IotJobConfiguration=json.dumps({}),
            Rollout=json.dumps({"rule": rule, **plan}),
            OnDelete=on_delete,
            DependsOn=[model.resource.title, component.resource.title],
            **WITH_STACK,
        )
    )


def _project_statements(environment: Environment) -> list[Statement]:
    iot = partial(environment.arn, "iot")
    waves = iot(f"thinggroup/deeplens-{environment.name}-wave-*")
    targets = [iot(f"thinggroup/{environment.fleet['thing_group']}"), waves]
    stack = environment.arn("cloudformation", f"stack/{environment.name}-Inference/*")
    return [
        allow(
            "CreateDeployments",
            ["greengrass:CreateDeployment"],
            ["*"],
            {
                "StringLike": {"aws:RequestTag/deeplens:owner": stack},
                "ForAllValues:StringLike": {"aws:TagKeys": "deeplens:*"},
                "Null": {"aws:TagKeys": "false"},
            },
        ),
        allow(
            "ManageDeployments",
            [
                "greengrass:CancelDeployment",
                "greengrass:DeleteDeployment",
                "greengrass:GetDeployment",
                "greengrass:TagResource",
            ],
            [environment.arn("greengrass", "deployments:*")],
        ),
        allow(
            "ListDeploymentsAndCoreDevices",
            ["greengrass:ListCoreDevices", "greengrass:ListDeployments"],
            ["*"],
        ),
        allow(
            "QueryCoreDevices",
            ["greengrass:ListEffectiveDeployments", "greengrass:ListInstalledComponents"],
            [environment.arn("greengrass", "coreDevices:*")],
        ),
        allow("RunJobsOnFleet", ["iot:CreateJob"], [iot("job/*"), *targets]),
        allow(
            "ManageJobs",
            ["iot:CancelJob", "iot:DeleteJob", "iot:DescribeJob", "iot:UpdateJob"],
            [iot("job/*")],
        ),
        allow(
            "DescribeJobExecutions", ["iot:DescribeJobExecution"], [iot("job/*"), iot("thing/*")]
        ),
        allow(
            "DescribeThingsAndGroups",
            ["iot:DescribeThing", "iot:DescribeThingGroup"],
            [iot("thing/*"), iot("thinggroup/*")],
        ),
        allow("ReadJobs", ["iot:ListJobExecutionsForJob"], [iot("job/*")]),
        allow("ReadFleet", ["iot:ListThingsInThingGroup"], targets),
        allow(
            "PutShareIntoWave",
            [
                "iot:AddThingToThingGroup",
                "iot:CreateThingGroup",
                "iot:DeleteThingGroup",
                "iot:RemoveThingFromThingGroup",
            ],
            [iot("thing/*"), waves],
        ),
        allow("SeeWhetherTheStackRollsBack", ["cloudformation:DescribeStacks"], [stack]),
        allow("ReadHeartbeats", ["iot:GetThingShadow"], [iot("thing/*")]),
    ]
