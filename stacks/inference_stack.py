"""The release and its project: function, published version, components and deployment."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from deeplens.config import (
    RUNTIME_ARCHIVE_NAME,
    EnvironmentConfig,
    ModelArtifact,
    RuntimeArchive,
)
from stacks.constructs.deeplens_project import DeepLensProject
from stacks.constructs.file_assets import StackFiles, StagedFile
from stacks.constructs.function_code import INFERENCE_ARCHIVE_NAME, inference_archive
from stacks.constructs.greengrass_component import (
    READ_BY_GREENGRASS,
    CameraRuntime,
    GreengrassComponents,
)
from stacks.constructs.inference_function import InferenceFunction
from stacks.constructs.model_bucket import ModelBucket
from stacks.constructs.signature_verification import camera_variables


class InferenceStack(Stack):
    """The function and the project in one stack, because an exported version blocks releases."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: EnvironmentConfig,
        artifact: ModelArtifact,
        runtime: tuple[RuntimeArchive, ...],
        model_bucket: ModelBucket,
    ) -> None:
        super().__init__(
            scope, id_, description=f"DeepLens {environment.name}: the release on the cameras"
        )
        function = InferenceFunction(self, "Function", environment=environment)
        components = GreengrassComponents(self, "Components", environment=environment)
        model_bucket.grant_download(components.handler_role, without_call=READ_BY_GREENGRASS)
        files = StackFiles(self)
        published = model_bucket.publish(files, "Artifact", artifact)
        model = components.add_model(artifact, published=published)
        trust = camera_variables(artifact, environment.signing)
        is_generic = environment.component == "generic"
        python = _runtime(runtime, components, model_bucket, files, installs=not is_generic)
        if is_generic:
            software = inference_archive()
            inference = components.add_generic_inference(
                function,
                model,
                environment.inference,
                published_model=published,
                published_function=model_bucket.publish_file(
                    files,
                    "Software",
                    software,
                    key=f"inference-function/{software.digest}/{INFERENCE_ARCHIVE_NAME}",
                    description="the camera's function, for a generic component",
                ),
                trust=trust,
                runtime=python,
            )
        else:
            inference = components.add_inference(
                function, model, environment.inference, trust=trust, runtime=python
            )
        project = DeepLensProject(
            self,
            "Project",
            environment=environment,
            model=model,
            inference=inference,
            runtime=python.component if python else None,
        )

        CfnOutput(self, "FunctionVersion", value=function.version_arn)
        CfnOutput(self, "ModelDigest", value=artifact.digest)
        CfnOutput(self, "ProjectStatus", value=project.status)
        CfnOutput(self, "Topic", value=environment.inference.topic)


def _runtime(
    archives: tuple[RuntimeArchive, ...],
    components: GreengrassComponents,
    bucket: ModelBucket,
    files: StackFiles,
    *,
    installs: bool,
) -> CameraRuntime | None:
    """Add the pinned Python environment as a component; return None if no archive is pinned."""
    if not archives:
        return None
    published = {
        archive.architecture: bucket.publish_file(
            files,
            f"Runtime-{archive.architecture}",
            StagedFile(archive.path, archive.digest),
            key=f"runtime/{archive.digest}/{RUNTIME_ARCHIVE_NAME}",
            description=f"the camera's Python environment, {archive.architecture}",
        )
        for archive in archives
    }
    by_architecture = {archive.architecture: archive for archive in archives}
    return components.add_runtime(by_architecture, published, installs=installs)
