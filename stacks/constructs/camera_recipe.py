"""Settings of the loop, and the recipe of the generic component that runs it.

Nucleus lite accepts generic components only, and reads recipes strictly: keys are case-sensitive,
a `runtime` is required in the platform, and there are no variables of other components. Its
dependencies would restart components that have no fault. So the generic component has the model
among its own artifacts and no dependencies, and its recipe works on both nuclei.

Source: aws-greengrass-lite, docs/RECIPE_SUPPORT_CHANGES.md.
"""

from typing import Any

from deeplens.config import InferenceConfig
from stacks.constructs.verification import PublishedStatement

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
    """Environment variables of the loop, wherever it runs.

    Args:
        settings: of the environment.
        archive: where the model's zip is on the device; may have recipe variables.
        directory: where it is unpacked.
        digest: the model's SHA-256.
        trust: the keys with which the camera verifies the signer; empty without signing.
        packages: where the runtime component's packages are; None: the device has its own.
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
    """Return how the classic core runs the Lambda component, in the words of the API."""
    process: dict[str, Any] = {"isolationMode": settings.isolation_mode}
    if settings.isolation_mode == "GreengrassContainer":
        # Its own default is 16 MiB, in which no engine starts.
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
    """Return the recipe without its version.

    The loop starts from the function's own zip, with the model beside it.

    Args:
        name: of the component.
        model_uri: of the model's artifact.
        model_digest: its SHA-256.
        function_uri: of the function's sources.
        settings: of the environment.
        statement: the signed statement of the model, where there is one.
        trust: the keys with which the camera verifies the signer; empty without signing.
        runtime: folders of the runtime's archive and of the environment that the camera creates
            from it; None: the device's own Python has the packages.
    """
    variables = function_settings(
        settings,
        archive="{artifacts:path}/model.zip",
        directory="{artifacts:decompressedPath}/model",
        digest=model_digest,
        trust=trust,
    )
    # Lite refuses braces that are no recipe variable.
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
    """The signed statement as an artifact beside the model; none without one."""
    if statement is None:
        return []
    return [{"Uri": statement.uri, "Unarchive": "NONE", "Permission": {"Read": "ALL"}}]
