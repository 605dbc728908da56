"""Deployments of a target, and their tags.

Tags store facts for later requests: the resource that owns a deployment, its verification, the
deployment that it replaced, and the reason of a stop.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Self

from botocore.exceptions import ClientError

from shared.fleet.errors import DeploymentError

logger = logging.getLogger(__name__)

OWNER_TAG = "deeplens:owner"
MODEL_TAG = "deeplens:model-digest"
FUNCTION_TAG = "deeplens:function"
# Tags for the owner and the content of a deployment; the other tags record its history.
IDENTITY_TAGS = {OWNER_TAG, MODEL_TAG, FUNCTION_TAG}
VERIFIED_TAG = "deeplens:proven"
REPLACED_TAG = "deeplens:replaced"
STOPPED_TAG = "deeplens:stopped"
# Tag of a deployment whose gate passed, although no device was reachable.
UNVERIFIED_TAG = "deeplens:unseen"
MANUAL_TAG = "deeplens:by-hand"
# Tag of the second attempt after a deployment failed because credentials or a connection were
# missing.
RETRY_TAG = "deeplens:retry"
# Tag of a deployment with which CloudFormation restored an earlier release, and whose gate did not
# pass.
ROLLED_BACK_TAG = "deeplens:rolled-back"

# The maximum number of deployments of a target that are read.
MAX_DEPLOYMENTS = 50
_LIVE = {"ACTIVE", "COMPLETED"}


class ReleaseStopped(DeploymentError):  # noqa: N818 - named after the event
    """Raised if the desired deployment was stopped on its target."""


@dataclass(frozen=True)
class DesiredDeployment:
    """A deployment as the template describes it."""

    target_arn: str
    name: str
    components: dict[str, Any]
    policies: dict[str, Any] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    parent_target_arn: str | None = None

    @classmethod
    def from_properties(cls, properties: dict[str, Any], owner: str) -> Self:
        """Return the deployment that the resource's properties describe.

        Documents in the properties are JSON strings, which preserve the types of their values.
        """
        return cls(
            target_arn=properties["TargetArn"],
            name=properties["DeploymentName"],
            components=json.loads(properties["Components"]),
            policies=json.loads(properties["DeploymentPolicies"]),
            job=json.loads(properties.get("IotJobConfiguration", "{}")),
            tags={
                OWNER_TAG: owner,
                MODEL_TAG: properties["ModelDigest"],
                FUNCTION_TAG: properties["FunctionArn"],
            },
        )

    def to(self, target_arn: str) -> Self:
        """Return the deployment of one wave: a subdeployment of the fleet's deployment."""
        return replace(self, target_arn=target_arn, parent_target_arn=self.target_arn)

    @property
    def digest(self) -> str:
        """The SHA-256 of the components and policies."""
        content = json.dumps([self.components, self.policies], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class Deployment:
    """A deployment in AWS IoT Greengrass."""

    id: str
    target_arn: str
    status: str
    job_id: str
    created_at: float
    components: dict[str, Any]
    policies: dict[str, Any]
    job: dict[str, Any]
    tags: dict[str, str]

    @property
    def is_live(self) -> bool:
        """True if devices receive the deployment: its status is ACTIVE or COMPLETED."""
        return self.status in _LIVE

    @property
    def model_digest(self) -> str | None:
        """The SHA-256 of the release's artifact; None without a tag."""
        return self.tags.get(MODEL_TAG)

    @property
    def function_arn(self) -> str | None:
        """The ARN of the release's function version; None without a tag."""
        return self.tags.get(FUNCTION_TAG)

    @property
    def verification(self) -> str | None:
        """The time and the summary of the verification; None if the deployment was not verified."""
        return self.tags.get(VERIFIED_TAG)

    @property
    def stopped(self) -> str | None:
        """The time and the reason of the stop; None if the deployment was not stopped."""
        return self.tags.get(STOPPED_TAG)

    @property
    def is_verified(self) -> bool:
        """True if the deployment was verified and not stopped."""
        return self.verification is not None and self.stopped is None

    @property
    def arn(self) -> str:
        """The deployment's ARN, in the account and Region of the target."""
        partition, _, region, account = self.target_arn.split(":")[1:5]
        return f"arn:{partition}:greengrass:{region}:{account}:deployments:{self.id}"


def history(greengrass: Any, target_arn: str) -> Iterator[Deployment]:
    """Yield the newest deployments of a target (max 50), the current one first.

    ListDeployments does not list deleted deployments. It has no documented order, so this function
    sorts the deployments.
    """
    pages = greengrass.get_paginator("list_deployments").paginate(
        targetArn=target_arn, historyFilter="ALL"
    )
    summaries = [summary for page in pages for summary in page["deployments"]]
    summaries.sort(
        key=lambda summary: (summary["isLatestForTarget"], summary["creationTimestamp"]),
        reverse=True,
    )
    for summary in islice(summaries, MAX_DEPLOYMENTS):
        yield get(greengrass, summary["deploymentId"])


def latest(greengrass: Any, target_arn: str) -> Deployment | None:
    """Return the target's current deployment; None if the target has no deployment."""
    return next(history(greengrass, target_arn), None)


def get(greengrass: Any, deployment_id: str) -> Deployment:
    """Return a deployment by its id."""
    response = greengrass.get_deployment(deploymentId=deployment_id)
    return Deployment(
        id=deployment_id,
        target_arn=response["targetArn"],
        status=response["deploymentStatus"],
        job_id=response.get("iotJobId", ""),
        created_at=response["creationTimestamp"].timestamp(),
        components=response.get("components", {}),
        policies=response.get("deploymentPolicies") or {},
        job=response.get("iotJobConfiguration") or {},
        tags=response.get("tags") or {},
    )


def ensure(greengrass: Any, desired: DesiredDeployment, token: str) -> Deployment:
    """Return the target's current deployment if it equals `desired`, otherwise create a deployment.

    A deployment is also created if the current one is not live, or if the target's waves have newer
    deployments. `token` makes the creation idempotent, also after a time-out.

    Raises:
        ReleaseStopped: the current deployment equals `desired`, but was stopped.
        DeploymentError: Greengrass rejects the deployment.
    """
    current = latest(greengrass, desired.target_arn)
    if current and _same(current, desired):
        if STOPPED_TAG in current.tags:
            raise ReleaseStopped(
                f"this release was stopped on {desired.target_arn}: {current.tags[STOPPED_TAG]}; "
                "deploy another one, or allow its deployment again with `deeplens fleet resume`"
            )
        # Devices in waves may run other components than the fleet. Only a new revision replaces
        # these components.
        has_waves = not desired.parent_target_arn and waves_since(greengrass, current)
        if current.is_live and not has_waves:
            tag(greengrass, current, desired.tags)
            return get(greengrass, current.id)
    replaced = {REPLACED_TAG: current.id} if current else {}
    return _create(greengrass, desired, replaced, token)


def retry(
    greengrass: Any, failed: Deployment, desired: DesiredDeployment, token: str, reason: str
) -> Deployment:
    """Deploy the same components a second time, which creates a new job for the devices.

    Greengrass' job configuration has no retries, so a second attempt requires a new revision.
    Devices that already run the components do not change.

    Args:
        greengrass: the boto3 client `greengrassv2`.
        failed: the first attempt.
        desired: the deployment to repeat.
        token: the request's token, from which another client token is derived.
        reason: a sentence for the tag of the second attempt.

    Raises:
        DeploymentError: Greengrass rejects the deployment.
    """
    tags = {REPLACED_TAG: failed.id, RETRY_TAG: tag_text(reason)}
    return _create(greengrass, desired, tags, f"{token}/retry")


def _create(
    greengrass: Any, desired: DesiredDeployment, tags: dict[str, str], token: str
) -> Deployment:
    optional = {
        "deploymentPolicies": desired.policies,
        "iotJobConfiguration": desired.job,
        "parentTargetArn": desired.parent_target_arn,
    }
    try:
        created = greengrass.create_deployment(
            targetArn=desired.target_arn,
            deploymentName=desired.name,
            components=desired.components,
            tags={**desired.tags, **tags},
            clientToken=hashlib.sha256(f"{token}/{desired.target_arn}".encode()).hexdigest()[:64],
            **{key: value for key, value in optional.items() if value},
        )
    except ClientError as error:
        current = latest(greengrass, desired.target_arn)
        is_created = (
            current
            and _same(current, desired)
            and (RETRY_TAG in current.tags) == (RETRY_TAG in tags)
        )
        if error.response["Error"]["Code"] == "ConflictException" and current and is_created:
            return current
        message = error.response["Error"]["Message"]
        raise DeploymentError(
            f"{desired.target_arn}: no deployment was created: {message}"
        ) from None
    return get(greengrass, str(created["deploymentId"]))


def last_verified(greengrass: Any, target_arn: str) -> Deployment | None:
    """Return the newest verified deployment of the target; None if no deployment is verified."""
    return next(
        (deployment for deployment in history(greengrass, target_arn) if deployment.is_verified),
        None,
    )


def is_verified(greengrass: Any, desired: DesiredDeployment) -> bool:
    """Return whether a deployment equal to `desired` was verified on its target and not stopped."""
    for deployment in history(greengrass, desired.target_arn):
        if _same(deployment, desired) and STOPPED_TAG in deployment.tags:
            return False
        if _same(deployment, desired) and VERIFIED_TAG in deployment.tags:
            return True
    return False


def tag(greengrass: Any, deployment: Deployment, tags: dict[str, str]) -> None:
    """Set the tags that the deployment lacks or that differ; truncate values to 256 characters."""
    new = {key: value[:256] for key, value in tags.items() if deployment.tags.get(key) != value}
    if new:
        greengrass.tag_resource(resourceArn=deployment.arn, tags=new)


def tag_text(sentence: str) -> str:
    """Return a tag's value: the UTC time, and the sentence without characters that tags reject.

    The value has at most 256 characters.
    """
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    permitted = "".join(
        character if character.isalnum() or character in "+-=._:/@" else " "
        for character in sentence
    )
    return f"{stamp} {' '.join(permitted.split())}"[:256]


def waves_since(greengrass: Any, current: Deployment) -> list[Deployment]:
    """Return the deployments of the target's waves that are newer than `current`, newest first.

    Devices in these waves can run other components than the target, even if the waves were
    cancelled.
    """
    waves = [
        get(greengrass, summary["deploymentId"])
        for summary in waves_of(greengrass, current.target_arn)
        if summary["creationTimestamp"].timestamp() > current.created_at
    ]
    return sorted(waves, key=lambda wave: wave.created_at, reverse=True)


def waves_of(greengrass: Any, target_arn: str) -> list[dict[str, Any]]:
    """Return the summary of the current deployment of each of the target's waves, unsorted."""
    pages = greengrass.get_paginator("list_deployments").paginate(
        parentTargetArn=target_arn, historyFilter="LATEST_ONLY"
    )
    return [summary for page in pages for summary in page["deployments"]]


def retire(greengrass: Any, deployment_id: str) -> None:
    """Cancel and delete a deployment; its devices keep their components.

    Errors are only logged, because a remaining deployment changes no device and must not block a
    stack.
    """
    gone = {"ConflictException", "ResourceNotFoundException"}
    for operation in (greengrass.cancel_deployment, greengrass.delete_deployment):
        try:
            operation(deploymentId=deployment_id)
        except ClientError as error:
            # An interrupted request may have cancelled or deleted the deployment.
            if error.response["Error"]["Code"] not in gone:
                logger.warning("deployment %s remains: %s", deployment_id, error)


def _same(current: Deployment, desired: DesiredDeployment) -> bool:
    return (
        current.components == desired.components
        and _subset(desired.policies, current.policies)
        and current.job == desired.job
    )


def _subset(desired: dict[str, Any], actual: dict[str, Any]) -> bool:
    """Return whether `actual` contains the desired values; defaults of the service are ignored."""
    return all(actual.get(key) == value for key, value in desired.items())
