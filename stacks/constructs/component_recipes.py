"""Recipes of the model and of the generic inference component, and settings of the camera's loop.

Nucleus lite accepts only generic components, and parses recipes strictly. Keys are case-sensitive,
the platform requires a `runtime`, and variables of other components do not exist. Dependencies
would restart components that did not fail. The generic component therefore contains the model as an
artifact and has no dependencies, and its recipe works on both nuclei.

Source: aws-greengrass-lite, docs/RECIPE_SUPPORT_CHANGES.md.
"""

from typing import Any

from deeplens.config import InferenceConfig, ModelArtifact
from stacks.constructs.signature_verification import PublishedStatement

_DEVICE_PYTHON = "python3.12"
_CONTAINER_KB = 2 << 20
_V4L2 = "v4l2:"


def function_settings(
    settings: InferenceConfig,
    *,
    archive: str,
    directory: str,
    digest: str,
    trust: dict[str, str],
    packages: str | None = None,
) -> dict[str, str]:
    """Return the environment variables of the camera's loop.

    Args:
        settings: the settings of the environment.
        archive: path of the model's zip on the device; may contain recipe variables.
        directory: path of the zip's unpacked content.
        digest: the SHA-256 of the zip.
        trust: variables with the keys that verify the signer; empty without signing.
        packages: folder of the runtime component's packages; None if the device provides them.
    """
    variables = {
        "DEEPLENS_MODEL_ARTIFACT": archive,
        "DEEPLENS_MODEL_DIRECTORY": directory,
        "DEEPLENS_MODEL_DIGEST": digest,
        "DEEPLENS_CAMERA": settings.camera,
        "DEEPLENS_ENGINE": settings.engine,
        "DEEPLENS_THRESHOLD": str(settings.threshold),
        "DEEPLENS_TOPIC": settings.topic,
        "DEEPLENS_FRAME_INTERVAL_SECONDS": str(settings.frame_interval_seconds),
        "DEEPLENS_HEARTBEAT_INTERVAL_SECONDS": str(settings.heartbeat_interval_seconds),
    }
    if trust:
        variables |= trust | {"DEEPLENS_MODEL_STATEMENT": f"{archive}.sig"}
    if settings.live_view_port is not None:
        variables["DEEPLENS_LIVE_VIEW_PORT"] = str(settings.live_view_port)
    if settings.max_megapixels != type(settings).model_fields["max_megapixels"].default:
        variables["DEEPLENS_MAX_MEGAPIXELS"] = str(settings.max_megapixels)
    if settings.engine_device != "auto":
        variables["DEEPLENS_ENGINE_DEVICE"] = settings.engine_device
    if packages is not None:
        variables["DEEPLENS_PACKAGES"] = packages
    return variables


def linux_process(settings: InferenceConfig) -> dict[str, Any]:
    """Return the process parameters of the Lambda component, as the API defines them."""
    process: dict[str, Any] = {"isolationMode": settings.isolation_mode}
    if settings.isolation_mode == "GreengrassContainer":
        # The default memory limit of 16 MiB is too small for any engine.
        process["containerParams"] = {"memorySizeInKB": _CONTAINER_KB, "mountROSysfs": True}
        if settings.camera.startswith(_V4L2):
            device = {"path": settings.camera.removeprefix(_V4L2), "permission": "rw"}
            process["containerParams"]["devices"] = [{**device, "addGroupOwner": True}]
    return process


def generic_recipe(
    *,
    name: str,
    model_uri: str,
    model_digest: str,
    function_uri: str,
    settings: InferenceConfig,
    statement: PublishedStatement | None,
    trust: dict[str, str],
    runtime: tuple[str, str] | None,
) -> dict[str, Any]:
    """Return the recipe of the generic inference component, without its version.

    The function's zip contains the loop; the model is another artifact.

    Args:
        name: the component's name.
        model_uri: URI of the model's artifact.
        model_digest: the SHA-256 of the model's artifact.
        function_uri: URI of the function's sources.
        settings: the settings of the environment.
        statement: the signed statement of the model, or None.
        trust: variables with the keys that verify the signer; empty without signing.
        runtime: folders of the runtime's archive and of the environment that the camera creates
            from it; None if the device's Python has the packages.
    """
    variables = function_settings(
        settings,
        archive="{artifacts:path}/model.zip",
        directory="{artifacts:decompressedPath}/model",
        digest=model_digest,
        trust=trust,
    )
    # Nucleus lite rejects braces that do not belong to a recipe variable.
    variables["DEEPLENS_TOPIC"] = settings.topic.replace("{thing}", "{iot:thingName}")
    variables["PYTHONPATH"] = "{artifacts:decompressedPath}/function"
    program = ("first_start", *runtime) if runtime else ("camera",)
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentType": "aws.greengrass.generic",
        "ComponentDescription": "Frame, inference, message: the camera's loop",
        "ComponentPublisher": "deeplens-tensorflow",
        "Manifests": [
            {
                "Platform": {"os": "linux", "runtime": "*"},
                "Artifacts": [
                    *(
                        {"Uri": uri, "Unarchive": "ZIP", "Permission": {"Read": "ALL"}}
                        for uri in (function_uri, model_uri)
                    ),
                    *statement_artifact(statement),
                ],
                "Lifecycle": {
                    "run": {
                        "Script": f"exec {_DEVICE_PYTHON} -u -m {' '.join(program)}",
                        "Setenv": variables,
                    }
                },
            }
        ],
    }


def statement_artifact(statement: PublishedStatement | None) -> list[dict[str, Any]]:
    """Return the signed statement as a list with one recipe artifact, or an empty list."""
    if statement is None:
        return []
    return [{"Uri": statement.uri, "Unarchive": "NONE", "Permission": {"Read": "ALL"}}]


def model_recipe(
    *, name: str, artifact: ModelArtifact, uri: str, statement: PublishedStatement | None
) -> dict[str, Any]:
    """Return the recipe of the model component, without its version.

    The recipe's description contains the model's version.

    Args:
        name: the component's name.
        artifact: the pinned artifact.
        uri: URI of the artifact in the bucket.
        statement: the signed statement of the model, or None.
    """
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentType": "aws.greengrass.generic",
        "ComponentDescription": f"TensorFlow model {artifact.name} {artifact.version}",
        "ComponentPublisher": "deeplens-tensorflow",
        "Manifests": [
            {
                # Nucleus lite skips a manifest without a runtime.
                "Platform": {"os": "linux", "runtime": "*"},
                "Artifacts": [
                    {"Uri": uri, "Unarchive": "ZIP", "Permission": {"Read": "ALL"}},
                    *statement_artifact(statement),
                ],
                # Nucleus lite waits for the service that `run` defines before a deployment
                # succeeds.
                "Lifecycle": {"install": "true", "run": "true"},
            }
        ],
    }
