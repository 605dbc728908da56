"""`Custom::GreengrassComponent`: a component version, created once, verified, never overwritten.

`AWS::GreengrassV2::ComponentVersion` cannot serve a rollback: retained, v1 → v2 → v1 creates v1 a
second time and fails; not retained, it deletes versions that devices still need. Here an existing
version is verified to be the same, and a delete keeps it.

A version contains about 40 bits of its content. The tag has the whole digest, so two contents with
the same version are an error and never a wrong release.
"""

import base64
import json
import time
from typing import Any

import boto3
from botocore.exceptions import ClientError

from cloudformation import ResourceFailed, ResourceRequest, ResourceResult, custom_resource

CONTENT_TAG = "deeplens:content-sha256"
_POLL_SECONDS = 1.0
_GIVE_UP_SECONDS = 300.0
_PENDING = {"REQUESTED", "INITIATED"}


def provide(request: ResourceRequest) -> ResourceResult:
    """Create the component version if it is absent; refuse when it exists with other content."""
    arn = request.properties["Arn"]
    if request.type == "Delete":
        return ResourceResult(request.physical_id or arn)
    greengrass = boto3.client("greengrassv2")
    if _describe(greengrass, arn) is None:
        _create(greengrass, request.properties)
    component = _wait_until_deployable(greengrass, arn)
    _verify_content(component, request.properties)
    _verify_artifact(greengrass, request.properties)
    return ResourceResult(
        arn,
        {"Arn": arn, "Name": component["componentName"], "Version": component["componentVersion"]},
    )


def _create(greengrass: Any, properties: dict[str, Any]) -> None:
    tags = {CONTENT_TAG: properties["ContentSha256"]}
    try:
        if "Recipe" in properties:
            greengrass.create_component_version(
                inlineRecipe=properties["Recipe"].encode(), tags=tags
            )
        else:
            greengrass.create_component_version(
                lambdaFunction=json.loads(properties["LambdaFunction"]), tags=tags
            )
    except greengrass.exceptions.ConflictException:
        # Somebody else created it in between: whether it is the same is checked next.
        return
    except ClientError as error:
        raise ResourceFailed(f"{properties['Arn']}: {error.response['Error']['Message']}") from None


def _wait_until_deployable(greengrass: Any, arn: str) -> dict[str, Any]:
    give_up_at = time.monotonic() + _GIVE_UP_SECONDS
    while True:
        component = _describe(greengrass, arn)
        state = component["status"]["componentState"] if component else "absent"
        if component and state == "DEPLOYABLE":
            return component
        if state not in _PENDING or time.monotonic() > give_up_at:
            status = component["status"] if component else {}
            detail = status.get("errors") or status.get("message", "")
            raise ResourceFailed(f"{arn} is {state}, not DEPLOYABLE: {detail}")
        time.sleep(_POLL_SECONDS)


def _verify_content(component: dict[str, Any], properties: dict[str, Any]) -> None:
    found = component.get("tags", {}).get(CONTENT_TAG, "none recorded")
    if found != properties["ContentSha256"]:
        raise ResourceFailed(
            f"{component['arn']} exists with other content: its SHA-256 is {found}, this release "
            f"has {properties['ContentSha256']}; component versions are immutable: change any "
            "setting or the model's version, or delete the existing one if no device uses it"
        )


def _verify_artifact(greengrass: Any, properties: dict[str, Any]) -> None:
    """Greengrass' own digest of each artifact, by its URI, must be the release's."""
    promised = properties.get("ArtifactSha256")
    if promised is None:
        return
    answer = greengrass.get_component(arn=properties["Arn"], recipeOutputFormat="JSON")
    recipe = json.loads(answer["recipe"])
    for manifest in recipe["Manifests"]:
        for artifact in manifest.get("Artifacts", []):
            found = base64.b64decode(artifact["Digest"]).hex()
            expected = promised.get(artifact["Uri"])
            if found != expected:
                raise ResourceFailed(
                    f"{properties['Arn']}: Greengrass recorded SHA-256 {found} for "
                    f"{artifact['Uri']}, the release has {expected}"
                )


def _describe(greengrass: Any, arn: str) -> dict[str, Any] | None:
    try:
        component: dict[str, Any] = greengrass.describe_component(arn=arn)
    except greengrass.exceptions.ResourceNotFoundException:
        return None
    return component


handler = custom_resource(provide)
