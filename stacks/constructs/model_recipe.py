"""The recipe of the model component."""

from typing import Any

from deeplens.config import ModelArtifact
from stacks.constructs.camera_recipe import statement_artifact
from stacks.constructs.verification import PublishedStatement


def model_recipe(
    *, name: str, artifact: ModelArtifact, uri: str, statement: PublishedStatement | None
) -> dict[str, Any]:
    """Return the recipe without its version; its description contains the model's own version.

    Args:
        name: of the component.
        artifact: the pinned artifact.
        uri: of the artifact in the bucket.
        statement: the signed statement of the model, where there is one.
    """
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentType": "aws.greengrass.generic",
        "ComponentDescription": f"TensorFlow model {artifact.name} {artifact.version}",
        "ComponentPublisher": "deeplens-tensorflow",
        "Manifests": [
            {
                # Nucleus lite skips a manifest that names no runtime.
                "Platform": {"os": "linux", "runtime": "*"},
                "Artifacts": [
                    {"Uri": uri, "Unarchive": "ZIP", "Permission": {"Read": "ALL"}},
                    *statement_artifact(statement),
                ],
                # Nucleus lite waits for the service of `run` before a deployment succeeds.
                "Lifecycle": {"install": "true", "run": "true"},
            }
        ],
    }
