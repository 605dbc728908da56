"""Greengrass components whose versions are derived from their contents."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import CustomResource, Duration, Stack
from constructs import Construct

from deeplens.config import EnvironmentConfig, InferenceConfig, ModelArtifact, RuntimeArchive
from stacks.constructs.camera_runtime import RuntimeFolder, runtime_folder, runtime_recipe
from stacks.constructs.component_recipes import (
    function_settings,
    generic_recipe,
    linux_process,
    model_recipe,
)
from stacks.constructs.custom_resource_handler import CustomResourceHandler
from stacks.constructs.iam import Statement
from stacks.constructs.inference_function import InferenceFunction, function_name
from stacks.constructs.model_bucket import PublishedArtifact
from stacks.recipes import NUMBER_LIMIT, check_recipe, component_version

READ_BY_GREENGRASS = (
    "AWS IoT Greengrass reads functions and artifacts for CreateComponentVersion, with the rights "
    "of the caller"
)
_HANDLER_TIMEOUT = Duration.seconds(420)

# Timeouts of the function's import, and of one call of its handler.
_STATUS_TIMEOUT_SECONDS = 120
_CALL_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Component:
    """A component version, and the resource that creates it."""

    name: str
    version: str
    resource: CustomResource
    # The value by which a heartbeat identifies this component.
    identity: str


@dataclass(frozen=True)
class CameraRuntime:
    """The runtime component, and the folders of its environment on a device."""

    component: Component
    folder: RuntimeFolder

    @property
    def folders_of_camera(self) -> tuple[str, str]:
        """The folders of the archive and of the environment, for a generic camera."""
        return self.folder.archive(self.component.version), self.folder.of_camera


class GreengrassComponents(Construct):
    """The components of one environment, and the handler that creates their versions."""

    def __init__(self, scope: Construct, id_: str, *, environment: EnvironmentConfig) -> None:
        super().__init__(scope, id_)
        self._aws_environment = environment.aws_environment
        self._prefix = f"deeplens.{environment.name}"
        self._inference = environment.inference_component
        self._function = function_name(environment.name)
        self._handler = CustomResourceHandler(
            self,
            "Handler",
            package="greengrass_component",
            account=environment.account,
            timeout=_HANDLER_TIMEOUT,
            statements=self._statements(self._function),
            wildcard_reason="component versions and function versions are new with each release",
        )
        self.handler_role = self._handler.role

    def add_model(self, artifact: ModelArtifact, *, published: PublishedArtifact) -> Component:
        """Add the artifact as a component that other components can read."""
        name = f"{self._prefix}.model.{artifact.name}"
        recipe = model_recipe(
            name=name, artifact=artifact, uri=published.uri, statement=published.statement
        )
        content = _digest(recipe)
        version = component_version(artifact.version.partition(".")[0], content)
        check_recipe({**recipe, "ComponentVersion": version})
        resource = self._provide(
            "Model",
            name,
            version,
            {
                "Recipe": json.dumps({**recipe, "ComponentVersion": version}, sort_keys=True),
                "ContentSha256": content,
                "ArtifactSha256": _digests(published),
            },
            needs=[published.resource],
        )
        return Component(name, version, resource, artifact.digest)

    def add_runtime(
        self,
        archives: Mapping[str, RuntimeArchive],
        published: Mapping[str, PublishedArtifact],
        *,
        installs: bool,
    ) -> CameraRuntime:
        """Add the pinned Python environment as a component.

        Args:
            archives: the archives by architecture.
            published: the uploaded archives by architecture.
            installs: True if this component creates the environment, False if the camera does.
        """
        digests = {architecture: archive.digest for architecture, archive in archives.items()}
        folder = runtime_folder(f"{self._prefix}.runtime", digests)
        recipe = runtime_recipe(
            folder,
            {architecture: artifact.uri for architecture, artifact in published.items()},
            installs=installs,
        )
        content = _digest(recipe)
        version = component_version(1, content)
        # A component that installs the environment is only for the classic nucleus, which supports
        # Lambda components and long install steps.
        check_recipe({**recipe, "ComponentVersion": version}, for_lite=not installs)
        resource = self._provide(
            "Runtime",
            folder.component,
            version,
            {
                "Recipe": json.dumps({**recipe, "ComponentVersion": version}, sort_keys=True),
                "ContentSha256": content,
                "ArtifactSha256": _digests(*published.values()),
            },
            needs=[artifact.resource for artifact in published.values()],
        )
        return CameraRuntime(Component(folder.component, version, resource, folder.name), folder)

    def add_inference(
        self,
        function: InferenceFunction,
        model: Component,
        settings: InferenceConfig,
        *,
        trust: dict[str, str],
        runtime: CameraRuntime | None,
    ) -> Component:
        """Add the function's published version as a Lambda component that reads `model`."""
        name = self._inference
        parameters = {
            "componentName": name,
            "componentDependencies": {
                component.name: {
                    "versionRequirement": f"={component.version}",
                    "dependencyType": "HARD",
                }
                for component in _dependencies(model, runtime)
            },
            "componentLambdaParameters": {
                "pinned": True,
                "timeoutInSeconds": _CALL_TIMEOUT_SECONDS,
                "statusTimeoutInSeconds": _STATUS_TIMEOUT_SECONDS,
                "inputPayloadEncodingType": "json",
                "environmentVariables": function_settings(
                    settings,
                    archive=f"{{{model.name}:artifacts:path}}/model.zip",
                    directory=f"{{{model.name}:artifacts:decompressedPath}}/model",
                    digest=model.identity,
                    trust=trust,
                    packages=runtime.folder.packages if runtime else None,
                ),
                "linuxProcessParams": linux_process(settings),
            },
        }
        content = _digest({**parameters, "source": function.source_hash})
        version = component_version(function.version, content)
        lambda_function = {
            "lambdaArn": function.version_arn,
            "componentVersion": version,
            **parameters,
        }
        resource = self._provide(
            "Inference",
            name,
            version,
            {
                "LambdaFunction": Stack.of(self).to_json_string(lambda_function),
                "ContentSha256": content,
            },
            needs=[component.resource for component in _dependencies(model, runtime)],
        )
        return Component(name, version, resource, function.version_arn)

    def add_generic_inference(
        self,
        function: InferenceFunction,
        model: Component,
        settings: InferenceConfig,
        *,
        published_model: PublishedArtifact,
        published_function: PublishedArtifact,
        trust: dict[str, str],
        runtime: CameraRuntime | None,
    ) -> Component:
        """Add the function as a generic component, for either nucleus.

        The component's version begins with the number of the published function version, whose ARN
        identifies the component in heartbeats.
        """
        name = self._inference
        recipe = generic_recipe(
            name=name,
            model_uri=published_model.uri,
            model_digest=model.identity,
            function_uri=published_function.uri,
            settings=settings,
            statement=published_model.statement,
            trust=trust,
            runtime=runtime.folders_of_camera if runtime else None,
        )
        content = _digest({**recipe, "source": function.source_hash})
        version = component_version(function.version, content)
        variables = recipe["Manifests"][0]["Lifecycle"]["run"]["Setenv"]
        # The number of the published version is unknown before the deployment, so the recipe is
        # checked with the largest number.
        variables["MY_FUNCTION_ARN"] = self._aws_environment.arn(
            "lambda", f"function:{self._function}:{NUMBER_LIMIT - 1}"
        )
        check_recipe(recipe | {"ComponentVersion": component_version(NUMBER_LIMIT - 1, content)})
        variables["MY_FUNCTION_ARN"] = function.version_arn
        recipe["ComponentVersion"] = version
        resource = self._provide(
            "Inference",
            name,
            version,
            {
                "Recipe": Stack.of(self).to_json_string(recipe),
                "ContentSha256": content,
                "ArtifactSha256": _digests(published_model, published_function),
            },
            needs=[
                *(component.resource for component in _dependencies(model, runtime)),
                published_model.resource,
                published_function.resource,
            ],
        )
        return Component(name, version, resource, function.version_arn)

    def _statements(self, function: str) -> list[Statement]:
        """Return permissions for this environment's components and its function only."""
        return [
            Statement(
                sid="ProvideOwnComponents",
                actions=[
                    "greengrass:CreateComponentVersion",
                    "greengrass:DescribeComponent",
                    "greengrass:GetComponent",
                    "greengrass:TagResource",
                ],
                resources=[self._aws_environment.arn("greengrass", f"components:{self._prefix}.*")],
            ),
            # The documentation does not state whether Greengrass uses the ARN with or without a
            # qualifier.
            Statement(
                sid="ReadPublishedVersions",
                actions=["lambda:GetFunction"],
                resources=[
                    self._aws_environment.arn("lambda", f"function:{function}"),
                    self._aws_environment.arn("lambda", f"function:{function}:*"),
                ],
                without_call=READ_BY_GREENGRASS,
            ),
        ]

    def _provide(
        self,
        id_: str,
        name: str,
        version: str,
        content: dict[str, Any],
        *,
        needs: Sequence[CustomResource],
    ) -> CustomResource:
        """Create a custom resource that depends on `needs` and on the handler's permissions."""
        arn = self._aws_environment.arn("greengrass", f"components:{name}:versions:{version}")
        resource = CustomResource(
            self,
            id_,
            resource_type="Custom::GreengrassComponent",
            service_token=self._handler.service_token,
            properties={"Arn": arn, **content},
        )
        resource.node.add_dependency(self._handler, *needs)
        return resource


def _dependencies(model: Component, runtime: CameraRuntime | None) -> list[Component]:
    """Return the components that the inference component requires."""
    return [model, runtime.component] if runtime else [model]


def _digests(*published: PublishedArtifact) -> dict[str, str]:
    """Return the SHA-256 of each file of a component, by URI."""
    digests = {artifact.uri: artifact.digest for artifact in published}
    statements = [artifact.statement for artifact in published if artifact.statement]
    return digests | {statement.uri: statement.digest for statement in statements}


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
