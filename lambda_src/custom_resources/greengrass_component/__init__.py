"""`Custom::GreengrassComponent`: a component version, created once and never overwritten.

`AWS::GreengrassV2::ComponentVersion` does not support rollbacks. With the policy Retain, an update
from v1 to v2 and back creates v1 a second time and fails. Without the policy, versions that devices
still require are deleted. This resource verifies that an existing version has the same content, and
retains the version after a delete.

A version number contains about 40 bits of the digest of its content. A tag contains the complete
digest, so two contents with the same version number are an error.
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
_TIMEOUT_SECONDS = 300.0
_PENDING = {"REQUESTED", "INITIATED"}


def handle(request: ResourceRequest) -> ResourceResult:
    """Create the component version if absent, and check its content; a delete retains the version.

    Raises:
        ResourceFailed: Greengrass rejects the version, the version does not become DEPLOYABLE, or
            its content or artifacts differ from the release.
    """
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
        # A concurrent request created the version; the caller compares the contents.
        return
    except ClientError as error:
        raise ResourceFailed(f"{properties['Arn']}: {error.response['Error']['Message']}") from None


def _wait_until_deployable(greengrass: Any, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        component = _describe(greengrass, arn)
        state = component["status"]["componentState"] if component else "absent"
        if component and state == "DEPLOYABLE":
            return component
        if state not in _PENDING or time.monotonic() > deadline:
            status = component["status"] if component else {}
            detail = status.get("errors") or status.get("message", "")
            raise ResourceFailed(f"{arn} is {state}, not DEPLOYABLE: {detail}")
        time.sleep(_POLL_SECONDS)


def _verify_content(component: dict[str, Any], properties: dict[str, Any]) -> None:
    actual = component.get("tags", {}).get(CONTENT_TAG, "none recorded")
    if actual != properties["ContentSha256"]:
        raise ResourceFailed(
            f"{component['arn']} exists with other content: its SHA-256 is {actual}, this release "
            f"has {properties['ContentSha256']}; component versions are immutable: change any "
            "setting or the model's version, or delete the existing one if no device uses it"
        )


def _verify_artifact(greengrass: Any, properties: dict[str, Any]) -> None:
    """Check that Greengrass has recorded the release's digest for each artifact."""
    expected_digests = properties.get("ArtifactSha256")
    if expected_digests is None:
        return
    answer = greengrass.get_component(arn=properties["Arn"], recipeOutputFormat="JSON")
    recipe = json.loads(answer["recipe"])
    for manifest in recipe["Manifests"]:
        for artifact in manifest.get("Artifacts", []):
            actual = base64.b64decode(artifact["Digest"]).hex()
            expected = expected_digests.get(artifact["Uri"])
            if actual != expected:
                raise ResourceFailed(
                    f"{properties['Arn']}: Greengrass recorded SHA-256 {actual} for "
                    f"{artifact['Uri']}, the release has {expected}"
                )


def _describe(greengrass: Any, arn: str) -> dict[str, Any] | None:
    try:
        component: dict[str, Any] = greengrass.describe_component(arn=arn)
    except greengrass.exceptions.ResourceNotFoundException:
        return None
    return component


handler = custom_resource(handle)
