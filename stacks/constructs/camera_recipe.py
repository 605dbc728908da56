"""What the loop is told, and the recipe of its generic twin.

Nucleus lite takes generic components only, and reads recipes strictly: keys are case-sensitive, no
variable of another component, a `runtime` in the platform, and no HARD dependency on what only
installs. So the twin has the model among its own artifacts, and the recipe works on both nuclei.

Source: aws-greengrass-lite, docs/RECIPE_SUPPORT_CHANGES.md.
"""

from typing import Any

from stacks.config import InferenceConfig
from stacks.constructs.verification import PublishedStatement

PYTHON = "python3.12"


def function_settings(
    settings: InferenceConfig, *, archive: str, directory: str, digest: str, trust: dict[str, str]
) -> dict[str, str]:
    """Environment variables of the loop, wherever it runs.

    Args:
        settings: of the environment.
        archive: where the model's zip is on the device; may have recipe variables.
        directory: where it is unpacked.
        digest: the model's SHA-256.
        trust: by what the camera verifies who signed it; empty where nobody must.
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
    return variables


def generic_recipe(
    *,
    name: str,
    model_name: str,
    model_version: str,
    model_uri: str,
    model_digest: str,
    function_uri: str,
    settings: InferenceConfig,
    statement: PublishedStatement | None,
    trust: dict[str, str],
) -> dict[str, Any]:
    """Return the recipe without its version.

    The loop starts from the function's own zip, with the model beside it.
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
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentType": "aws.greengrass.generic",
        "ComponentDescription": "Frame, inference, message: the camera's loop",
        "ComponentPublisher": "deeplens-tensorflow",
        "ComponentDependencies": {
            model_name: {"VersionRequirement": f"={model_version}", "DependencyType": "SOFT"}
        },
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
                    "run": {"Script": f"exec {PYTHON} -u -m camera", "Setenv": variables}
                },
            }
        ],
    }


def statement_artifact(statement: PublishedStatement | None) -> list[dict[str, Any]]:
    """The signed statement as an artifact beside the model; none without one."""
    if statement is None:
        return []
    return [{"Uri": statement.uri, "Unarchive": "NONE", "Permission": {"Read": "ALL"}}]
