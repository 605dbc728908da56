"""What Greengrass is told: recipes, settings of the loop, access control, pinned releases."""

import json
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.troposphere_stacks.environment import Artifact, Settings

# A deployment that leaves these out gets the newest patch of each.
RELEASES = {
    "aws.greengrass.LambdaLauncher": "2.0.13",
    "aws.greengrass.LambdaManager": "2.3.7",
    "aws.greengrass.LambdaRuntimes": "2.0.9",
    "aws.greengrass.Nucleus": "2.16.1",
    "aws.greengrass.TokenExchangeService": "2.0.3",
}


@dataclass(frozen=True)
class Component:
    """A component version, and the resource that provides it."""

    name: str
    version: str
    resource: Any


def core_components() -> dict[str, Any]:
    """Pin the parts of the core software."""
    components: dict[str, Any] = {
        name: {"componentVersion": version} for name, version in RELEASES.items()
    }
    components["aws.greengrass.Nucleus"]["configurationUpdate"] = {
        "merge": json.dumps({"interpolateComponentConfiguration": True})
    }
    return components


def component_version(first_number: str, content_sha256: str) -> str:
    """Return a version of three numbers; the last two come from the content."""
    minor, patch = divmod(int(content_sha256, 16) % 10**12, 10**6)
    return f"{first_number}.{minor}.{patch}"


def model_recipe(name: str, artifact: Artifact, uri: str) -> dict[str, Any]:
    """Return the recipe of a model's component, without its version."""
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentType": "aws.greengrass.generic",
        "ComponentDescription": f"TensorFlow model {artifact.name} {artifact.version}",
        "ComponentPublisher": "deeplens-tensorflow",
        "Manifests": [
            {
                "Platform": {"os": "linux", "runtime": "*"},
                "Artifacts": [{"Uri": uri, "Unarchive": "ZIP", "Permission": {"Read": "ALL"}}],
                "Lifecycle": {"install": "true", "run": "true"},
            }
        ],
    }


def function_settings(settings: Settings, model_name: str, digest: str) -> dict[str, str]:
    """Return the environment variables of the camera's loop."""
    variables = {
        "DEEPLENS_MODEL_ARTIFACT": f"{{{model_name}:artifacts:path}}/model.zip",
        "DEEPLENS_MODEL_DIRECTORY": f"{{{model_name}:artifacts:decompressedPath}}/model",
        "DEEPLENS_MODEL_DIGEST": digest,
        "DEEPLENS_CAMERA": settings["camera"],
        "DEEPLENS_ENGINE": settings["engine"],
        "DEEPLENS_THRESHOLD": str(float(settings["threshold"])),
        "DEEPLENS_TOPIC": settings["topic"],
        "DEEPLENS_FRAME_INTERVAL_SECONDS": str(float(settings["frame_interval_seconds"])),
        "DEEPLENS_HEARTBEAT_INTERVAL_SECONDS": str(float(settings["heartbeat_interval_seconds"])),
    }
    if settings["live_view_port"] is not None:
        variables["DEEPLENS_LIVE_VIEW_PORT"] = str(settings["live_view_port"])
    return variables


def access_control(component: str, topic: str) -> dict[str, Any]:
    """Say what the function may publish and hear over Greengrass' IPC."""
    shadow = "$aws/things/{iot:thingName}/shadow/name/deeplens"
    return {
        "accessControl": {
            "aws.greengrass.ipc.mqttproxy": {
                f"{component}:mqttproxy:1": {
                    "policyDescription": "Detections and the heartbeat of its own thing.",
                    "operations": ["aws.greengrass#PublishToIoTCore"],
                    "resources": [
                        topic.replace("{thing}", "{iot:thingName}"),
                        f"{shadow}/update",
                        f"{shadow}/get",
                    ],
                },
                f"{component}:mqttproxy:2": {
                    "policyDescription": "Settings that the shadow of its own thing desires.",
                    "operations": ["aws.greengrass#SubscribeToIoTCore"],
                    "resources": [f"{shadow}/get/accepted", f"{shadow}/update/delta"],
                },
            }
        }
    }
