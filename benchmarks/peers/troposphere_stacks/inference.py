"""The release and the project: function, published version, components, deployment."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from troposphere import GetAtt, Output, Ref, Sub, Template, awslambda
from troposphere.cloudformation import CustomResource

from benchmarks.peers.troposphere_stacks.assets import Assets
from benchmarks.peers.troposphere_stacks.environment import Artifact, Environment
from benchmarks.peers.troposphere_stacks.functions import Function, add_function, add_handler
from benchmarks.peers.troposphere_stacks.greengrass import (
    access_control,
    core_components,
    function_settings,
    model_recipe,
)
from benchmarks.peers.troposphere_stacks.model_store import from_model_store
from benchmarks.peers.troposphere_stacks.policies import (
    Statement,
    add_download,
    allow,
    arn_of,
)

_WITH_STACK = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}


class ModelArtifact(CustomResource):  # type: ignore[misc]  # troposphere has no types
    """An artifact, copied to its own key."""

    resource_type = "Custom::ModelArtifact"


class GreengrassComponent(CustomResource):  # type: ignore[misc]  # as above
    """A component version."""

    resource_type = "Custom::GreengrassComponent"


class DeepLensProject(CustomResource):  # type: ignore[misc]  # as above
    """A release on a fleet."""

    resource_type = "Custom::DeepLensProject"


@dataclass(frozen=True)
class Component:
    """A component version, and the resource that provides it."""

    name: str
    version: str
    resource: Any


def inference(environment: Environment, assets: Assets, artifact: Artifact) -> Template:
    """Return the template."""
    template = Template(Description=f"DeepLens {environment.name}: the release on the cameras")
    published = _add_published_function(template, environment, assets)
    handler = _add_component_handler(template, environment, assets)
    model = _add_model(template, environment, assets, artifact, handler)
    component = _add_inference(template, environment, assets, published, model, handler)
    project = _add_project(template, environment, assets, published, model, component)
    template.add_output(Output("FunctionVersion", Value=Ref(published)))
    template.add_output(Output("ModelDigest", Value=artifact.digest))
    template.add_output(Output("ProjectStatus", Value=GetAtt(project, "Status")))
    template.add_output(Output("Topic", Value=environment.inference["topic"]))
    return template


def _add_published_function(
    template: Template, environment: Environment, assets: Assets
) -> awslambda.Version:
    function = add_function(
        template,
        "Function",
        environment,
        assets,
        sources="inference",
        retention_days=environment.inference["log_retention_days"],
        FunctionName=f"deeplens-{environment.name}-inference",
        Description="Frame → inference → message, on a camera",
        Handler="handler.lambda_handler",
        Timeout=60,
    )
    # A version is published once: its logical id must follow what it is a version of.
    content = _sha256(function.resource.to_dict())
    return template.add_resource(
        awslambda.Version(
            f"FunctionCurrentVersion{content[:32]}",
            FunctionName=Ref(function.resource),
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
    )


def _add_component_handler(
    template: Template, environment: Environment, assets: Assets
) -> Function:
    function = f"function:deeplens-{environment.name}-inference:*"
    handler = add_handler(
        template,
        "ComponentsHandler",
        environment,
        assets,
        package="greengrass_component",
        timeout_seconds=420,
        statements=[
            allow(
                "ProvideOwnComponents",
                [
                    "greengrass:CreateComponentVersion",
                    "greengrass:DescribeComponent",
                    "greengrass:GetComponent",
                    "greengrass:TagResource",
                ],
                [environment.arn("greengrass", f"components:deeplens.{environment.name}.*")],
            ),
            allow(
                "ReadPublishedVersions",
                ["lambda:GetFunction"],
                [environment.arn("lambda", function)],
            ),
        ],
    )
    download = add_download(
        template,
        "ComponentsHandlerRoleDownloadComponents",
        environment,
        role=handler.role,
        key_arn=from_model_store(environment, "KeyArn"),
    )
    handler.resource.DependsOn = [handler.role.title, download.title]
    return handler


def _add_model(
    template: Template,
    environment: Environment,
    assets: Assets,
    artifact: Artifact,
    handler: Function,
) -> Component:
    key = f"components/{artifact.name}/{artifact.digest}/model.zip"
    published = template.add_resource(
        ModelArtifact(
            "Artifact",
            ServiceToken=from_model_store(environment, "PublisherArn"),
            SourceBucket=environment.asset_bucket,
            SourceKey=f"{assets.add_artifact(artifact)}.zip",
            Bucket=from_model_store(environment, "BucketName"),
            Key=key,
            Sha256=artifact.digest,
            **_WITH_STACK,
        )
    )
    name = f"deeplens.{environment.name}.model.{artifact.name}"
    uri = f"s3://{environment.model_store['bucket_name']}/{key}"
    recipe = model_recipe(name, artifact, uri)
    content = _sha256(recipe)
    version = f"{artifact.version}-sha256-{content[:16]}"
    resource = template.add_resource(
        GreengrassComponent(
            "ComponentsModel",
            ServiceToken=arn_of(handler.resource),
            Arn=environment.arn("greengrass", f"components:{name}:versions:{version}"),
            Recipe=json.dumps({**recipe, "ComponentVersion": version}),
            ContentSha256=content,
            ArtifactSha256=artifact.digest,
            DependsOn=[published.title, *_parts(handler)],
            **_WITH_STACK,
        )
    )
    return Component(name, version, resource)


def _add_inference(
    template: Template,
    environment: Environment,
    assets: Assets,
    published: awslambda.Version,
    model: Component,
    handler: Function,
) -> Component:
    name = f"deeplens.{environment.name}.inference"
    settings = environment.inference
    digest = environment.model["digest"]
    parameters = {
        "componentName": name,
        "componentDependencies": {
            model.name: {"versionRequirement": f"={model.version}", "dependencyType": "HARD"}
        },
        "componentLambdaParameters": {
            "pinned": True,
            "timeoutInSeconds": 60,
            "statusTimeoutInSeconds": 120,
            "inputPayloadEncodingType": "json",
            "environmentVariables": function_settings(settings, model.name, digest),
            "linuxProcessParams": {"isolationMode": settings["isolation_mode"]},
        },
    }
    content = _sha256({**parameters, "source": assets.add_sources("inference")})
    version = f"${{{published.title}.Version}}.0.0-sha256-{content[:16]}"
    lambda_function = {
        "lambdaArn": f"${{{published.title}}}",
        "componentVersion": version,
        **parameters,
    }
    resource = template.add_resource(
        GreengrassComponent(
            "ComponentsInference",
            ServiceToken=arn_of(handler.resource),
            Arn=Sub(environment.arn("greengrass", f"components:{name}:versions:{version}")),
            LambdaFunction=Sub(json.dumps(lambda_function)),
            ContentSha256=content,
            DependsOn=[model.resource.title, *_parts(handler)],
            **_WITH_STACK,
        )
    )
    return Component(name, version, resource)


def _add_project(
    template: Template,
    environment: Environment,
    assets: Assets,
    published: awslambda.Version,
    model: Component,
    component: Component,
) -> DeepLensProject:
    handler = add_handler(
        template,
        "ProjectHandler",
        environment,
        assets,
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
    return template.add_resource(
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
            **_WITH_STACK,
        )
    )


def _project_statements(environment: Environment) -> list[Statement]:
    target = environment.arn("iot", f"thinggroup/{environment.fleet['thing_group']}")
    return [
        allow(
            "DeployToFleet",
            [
                "greengrass:CancelDeployment",
                "greengrass:CreateDeployment",
                "greengrass:DeleteDeployment",
                "greengrass:GetDeployment",
                "greengrass:TagResource",
            ],
            [
                environment.arn("greengrass", "deployments"),
                environment.arn("greengrass", "deployments:*"),
                target,
            ],
        ),
        allow(
            "ListDeploymentsAndCoreDevices",
            ["greengrass:ListCoreDevices", "greengrass:ListDeployments"],
            ["*"],
        ),
        allow(
            "AskCoreDevices",
            ["greengrass:ListEffectiveDeployments", "greengrass:ListInstalledComponents"],
            [environment.arn("greengrass", "coreDevices:*")],
        ),
        allow(
            "RunJobsOnFleet",
            [
                "iot:CancelJob",
                "iot:CreateJob",
                "iot:DescribeJob",
                "iot:ListJobExecutionsForJob",
                "iot:UpdateJob",
            ],
            [environment.arn("iot", "job/*"), target],
        ),
        allow("ReadFleet", ["iot:DescribeThingGroup", "iot:ListThingsInThingGroup"], [target]),
        allow(
            "ReadHeartbeats",
            ["iot:DescribeThing", "iot:GetThingShadow"],
            [environment.arn("iot", "thing/*")],
        ),
    ]


def _parts(handler: Function) -> list[str]:
    """Everything that a handler needs before it may be called."""
    parts = (handler.resource, handler.log, handler.role, handler.policy)
    return [*(part.title for part in parts), f"{handler.role.title}DownloadComponents"]


def _sha256(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
