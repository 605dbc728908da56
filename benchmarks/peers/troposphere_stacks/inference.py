"""The release and the project: function, published version, components, deployment."""

import hashlib
import json
from pathlib import Path
from typing import Any

from troposphere import GetAtt, Ref, Sub, awslambda
from troposphere.cloudformation import CustomResource

from benchmarks.peers.troposphere_stacks.assets import Assets
from benchmarks.peers.troposphere_stacks.environment import Artifact, Environment
from benchmarks.peers.troposphere_stacks.functions import (
    WITH_STACK,
    Function,
    add_function,
    add_handler,
)
from benchmarks.peers.troposphere_stacks.greengrass import (
    Component,
    component_version,
    function_settings,
    model_recipe,
)
from benchmarks.peers.troposphere_stacks.model_store import from_model_store
from benchmarks.peers.troposphere_stacks.policies import (
    add_download,
    allow,
    arn_of,
)
from benchmarks.peers.troposphere_stacks.project import add_project
from benchmarks.peers.troposphere_stacks.stack import Stack

_DOCUMENTS = ("provenance.intoto.json", "sbom.cdx.json")


class ModelArtifact(CustomResource):  # type: ignore[misc]  # troposphere has no types
    """An artifact, copied to its own key."""

    resource_type = "Custom::ModelArtifact"


class GreengrassComponent(CustomResource):  # type: ignore[misc]  # as above
    """A component version."""

    resource_type = "Custom::GreengrassComponent"


def inference(environment: Environment, assets: Assets, artifact: Artifact) -> Stack:
    """Return the whole stack."""
    stack = Stack(environment, assets, "the release on the cameras")
    published = _add_published_function(stack)
    handler = _add_component_handler(stack)
    model = _add_model(stack, artifact, handler)
    component = _add_inference(stack, published, model, handler)
    project = add_project(stack, published, model, component)
    stack.output("FunctionVersion", Ref(published))
    stack.output("ModelDigest", artifact.digest)
    stack.output("ProjectStatus", GetAtt(project, "Status"))
    stack.output("Topic", environment.inference["topic"])
    return stack


def _add_published_function(stack: Stack) -> awslambda.Version:
    environment = stack.environment
    function = add_function(
        stack,
        "Function",
        sources="inference",
        retention_days=environment.inference["log_retention_days"],
        FunctionName=f"deeplens-{environment.name}-inference",
        Description="Frame → inference → message, on a camera",
        Handler="handler.lambda_handler",
        Timeout=60,
    )
    # A version is published once: its logical id must follow what it is a version of.
    content = _sha256(function.resource.to_dict())
    return stack.add(
        awslambda.Version(
            f"FunctionCurrentVersion{content[:32]}",
            FunctionName=Ref(function.resource),
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
    )


def _add_component_handler(stack: Stack) -> Function:
    environment = stack.environment
    function = f"function:deeplens-{environment.name}-inference"
    handler = add_handler(
        stack,
        "ComponentsHandler",
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
                [environment.arn("lambda", function), environment.arn("lambda", f"{function}:*")],
            ),
        ],
    )
    download = add_download(
        stack,
        "ComponentsHandlerRoleDownloadComponents",
        role=handler.role,
        key_arn=from_model_store(environment, "KeyArn"),
    )
    handler.resource.DependsOn = [handler.role.title, download.title]
    return handler


def _publish(
    stack: Stack, title: str, name: str, file: Path, digest: str
) -> tuple[ModelArtifact, str]:
    """Have a file copied to its own key; return the resource and where the copy is."""
    environment = stack.environment
    key = f"components/{name}/{digest}/{file.name}"
    resource = stack.add(
        ModelArtifact(
            title,
            ServiceToken=from_model_store(environment, "PublisherArn"),
            SourceBucket=environment.asset_bucket,
            SourceKey=f"{stack.assets.add_file(file, digest)}.zip",
            Bucket=from_model_store(environment, "BucketName"),
            Key=key,
            Sha256=digest,
            **WITH_STACK,
        )
    )
    return resource, f"s3://{environment.model_store['bucket_name']}/{key}"


def _add_model(
    stack: Stack,
    artifact: Artifact,
    handler: Function,
) -> Component:
    environment = stack.environment
    published, uri = _publish(stack, "Artifact", artifact.name, artifact.path, artifact.digest)
    for file in (artifact.path.with_name(name) for name in _DOCUMENTS):
        title = f"Artifact{file.name.partition('.')[0].title()}"
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        _publish(stack, title, artifact.name, file, digest)
    name = f"deeplens.{environment.name}.model.{artifact.name}"
    recipe = model_recipe(name, artifact, uri)
    content = _sha256(recipe)
    version = component_version(artifact.version.partition(".")[0], content)
    resource = stack.add(
        GreengrassComponent(
            "ComponentsModel",
            ServiceToken=arn_of(handler.resource),
            Arn=environment.arn("greengrass", f"components:{name}:versions:{version}"),
            Recipe=json.dumps({**recipe, "ComponentVersion": version}),
            ContentSha256=content,
            ArtifactSha256={uri: artifact.digest},
            DependsOn=[published.title, *_parts(handler)],
            **WITH_STACK,
        )
    )
    return Component(name, version, resource)


def _add_inference(
    stack: Stack,
    published: awslambda.Version,
    model: Component,
    handler: Function,
) -> Component:
    environment = stack.environment
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
    content = _sha256({**parameters, "source": stack.assets.add_sources("inference")})
    version = component_version(f"${{{published.title}.Version}}", content)
    lambda_function = {
        "lambdaArn": f"${{{published.title}}}",
        "componentVersion": version,
        **parameters,
    }
    resource = stack.add(
        GreengrassComponent(
            "ComponentsInference",
            ServiceToken=arn_of(handler.resource),
            Arn=Sub(environment.arn("greengrass", f"components:{name}:versions:{version}")),
            LambdaFunction=Sub(json.dumps(lambda_function)),
            ContentSha256=content,
            DependsOn=[model.resource.title, *_parts(handler)],
            **WITH_STACK,
        )
    )
    return Component(name, version, resource)


def _parts(handler: Function) -> list[str]:
    """Everything that a handler needs before it may be called."""
    parts = (handler.resource, handler.log, handler.role, handler.policy)
    return [*(part.title for part in parts), f"{handler.role.title}DownloadComponents"]


def _sha256(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
