"""Deployments of one target: found if they are there already, else created; and what they proved.

Tags carry what a later request must know: which resource owns a deployment, what it proved, what it
replaced, and that somebody stopped it.
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
# The owner of a deployment and its contents; the other tags are its own history.
IDENTITY_TAGS = {OWNER_TAG, MODEL_TAG, FUNCTION_TAG}
PROVEN_TAG = "deeplens:proven"
REPLACED_TAG = "deeplens:replaced"
STOPPED_TAG = "deeplens:stopped"
# Its gate passed, and no camera could be reached that would prove it.
UNSEEN_TAG = "deeplens:unseen"
BY_HAND_TAG = "deeplens:by-hand"
# The second attempt at a deployment that failed without credentials or a connection.
RETRY_TAG = "deeplens:retry"
# CloudFormation rolled back to it, and not every reachable device ran it in time.
ROLLED_BACK_TAG = "deeplens:rolled-back"

# How far back a release counts as kept.
_MOST_KEPT = 50
_LIVE = {"ACTIVE", "COMPLETED"}


class ReleaseStopped(DeploymentError):  # noqa: N818 - the event, in the words of the design
    """Somebody stopped the release that is to be deployed."""


@dataclass(frozen=True)
class Wanted:
    """A complete deployment, as the template describes it."""

    target_arn: str
    name: str
    components: dict[str, Any]
    policies: dict[str, Any] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    parent_target_arn: str | None = None

    @classmethod
    def from_properties(cls, properties: dict[str, Any], owner: str) -> Self:
        """Read the resource's properties; documents are JSON text, so types survive."""
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
        """The same set for one wave: a subdeployment that acts on behalf of the whole fleet."""
        return replace(self, target_arn=target_arn, parent_target_arn=self.target_arn)

    @property
    def digest(self) -> str:
        """SHA-256 of what devices get."""
        content = json.dumps([self.components, self.policies], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class Deployment:
    """A deployment as the cloud has it."""

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
        """Whether devices still get it."""
        return self.status in _LIVE

    @property
    def arn(self) -> str:
        """Its ARN, in the account and Region of its target."""
        partition, _, region, account = self.target_arn.split(":")[1:5]
        return f"arn:{partition}:greengrass:{region}:{account}:deployments:{self.id}"


def history(greengrass: Any, target_arn: str) -> Iterator[Deployment]:
    """Yield the newest deployments of a target that were not deleted.

    The current deployment of the target is first, then the newest. ListDeployments documents no
    order, so the order is made here.
    """
    pages = greengrass.get_paginator("list_deployments").paginate(
        targetArn=target_arn, historyFilter="ALL"
    )
    summaries = [summary for page in pages for summary in page["deployments"]]
    summaries.sort(
        key=lambda one: (one["isLatestForTarget"], one["creationTimestamp"]), reverse=True
    )
    for summary in islice(summaries, _MOST_KEPT):
        yield get(greengrass, summary["deploymentId"])


def latest(greengrass: Any, target_arn: str) -> Deployment | None:
    """Return the target's current deployment, whoever made it, or None."""
    return next(history(greengrass, target_arn), None)


def get(greengrass: Any, deployment_id: str) -> Deployment:
    """Return a deployment by its id."""
    found = greengrass.get_deployment(deploymentId=deployment_id)
    return Deployment(
        id=deployment_id,
        target_arn=found["targetArn"],
        status=found["deploymentStatus"],
        job_id=found.get("iotJobId", ""),
        created_at=found["creationTimestamp"].timestamp(),
        components=found.get("components", {}),
        policies=found.get("deploymentPolicies") or {},
        job=found.get("iotJobConfiguration") or {},
        tags=found.get("tags") or {},
    )


def ensure(greengrass: Any, wanted: Wanted, token: str) -> Deployment:
    """Return a live deployment equal to `wanted`; create it unless it is the target's latest.

    That, and `token`, make a repeated request and one that timed out after its success a no-op.

    Raises:
        ReleaseStopped: somebody stopped this very set.
        DeploymentError: Greengrass refuses it.
    """
    current = latest(greengrass, wanted.target_arn)
    if current and _same(current, wanted):
        if STOPPED_TAG in current.tags:
            raise ReleaseStopped(
                f"this release was stopped on {wanted.target_arn}: {current.tags[STOPPED_TAG]}; "
                "deploy another one, or lift the stop with `deeplens fleet resume`"
            )
        # Waves may run another set than the fleet: only a new revision takes it back from them.
        has_waves = not wanted.parent_target_arn and waves_since(greengrass, current)
        if current.is_live and not has_waves:
            tag(greengrass, current, wanted.tags)
            return get(greengrass, current.id)
    replaced = {REPLACED_TAG: current.id} if current else {}
    return _create(greengrass, wanted, replaced, token)


def retry(greengrass: Any, failed: Deployment, wanted: Wanted, token: str, why: str) -> Deployment:
    """Deploy the set of a live deployment once more, so that its devices get a new job.

    Greengrass' job configuration has no retries, so that takes a new revision. Devices that run
    the set have nothing to change.

    Args:
        greengrass: the client.
        failed: the first attempt.
        wanted: its set.
        token: of the request; the attempt has a client token of its own.
        why: a sentence for the tag of the second attempt.

    Raises:
        DeploymentError: Greengrass rejects it.
    """
    tags = {REPLACED_TAG: failed.id, RETRY_TAG: tag_text(why)}
    return _create(greengrass, wanted, tags, f"{token}/retry")


def _create(greengrass: Any, wanted: Wanted, tags: dict[str, str], token: str) -> Deployment:
    more = {
        "deploymentPolicies": wanted.policies,
        "iotJobConfiguration": wanted.job,
        "parentTargetArn": wanted.parent_target_arn,
    }
    try:
        created = greengrass.create_deployment(
            targetArn=wanted.target_arn,
            deploymentName=wanted.name,
            components=wanted.components,
            tags={**wanted.tags, **tags},
            clientToken=hashlib.sha256(f"{token}/{wanted.target_arn}".encode()).hexdigest()[:64],
            **{key: value for key, value in more.items() if value},
        )
    except ClientError as error:
        now = latest(greengrass, wanted.target_arn)
        is_created = now and _same(now, wanted) and (RETRY_TAG in now.tags) == (RETRY_TAG in tags)
        if error.response["Error"]["Code"] == "ConflictException" and now and is_created:
            return now
        message = error.response["Error"]["Message"]
        raise DeploymentError(
            f"{wanted.target_arn}: no deployment was created: {message}"
        ) from None
    return get(greengrass, str(created["deploymentId"]))


def last_proven(greengrass: Any, target_arn: str) -> Deployment | None:
    """Return the newest deployment of the target that passed its gate, or None."""
    return next(
        (
            one
            for one in history(greengrass, target_arn)
            if PROVEN_TAG in one.tags and STOPPED_TAG not in one.tags
        ),
        None,
    )


def is_proven(greengrass: Any, wanted: Wanted) -> bool:
    """Whether this very set passed the gate on this target before, and nobody stopped it."""
    for one in history(greengrass, wanted.target_arn):
        if _same(one, wanted) and STOPPED_TAG in one.tags:
            return False
        if _same(one, wanted) and PROVEN_TAG in one.tags:
            return True
    return False


def tag(greengrass: Any, deployment: Deployment, tags: dict[str, str]) -> None:
    """Add tags that the deployment does not have yet."""
    new = {key: value[:256] for key, value in tags.items() if deployment.tags.get(key) != value}
    if new:
        greengrass.tag_resource(resourceArn=deployment.arn, tags=new)


def tag_text(sentence: str) -> str:
    """Begin with the time, and keep what a tag's value may contain."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    allowed = "".join(one if one.isalnum() or one in " +-=._:/@" else " " for one in sentence)
    return f"{stamp} {allowed}"[:256]


def waves_since(greengrass: Any, current: Deployment) -> list[Deployment]:
    """Return the deployments of waves that began after a target's own current deployment.

    Their devices run another set than the target's, also when the waves were cancelled since.
    """
    found = [
        get(greengrass, one["deploymentId"])
        for one in waves_of(greengrass, current.target_arn)
        if one["creationTimestamp"].timestamp() > current.created_at
    ]
    return sorted(found, key=lambda one: one.created_at, reverse=True)


def waves_of(greengrass: Any, target_arn: str) -> list[dict[str, Any]]:
    """Return the summaries of the current deployments of waves of a target, in no order."""
    pages = greengrass.get_paginator("list_deployments").paginate(
        parentTargetArn=target_arn, historyFilter="LATEST_ONLY"
    )
    return [summary for page in pages for summary in page["deployments"]]


def retire(greengrass: Any, deployment_id: str) -> None:
    """Cancel and delete a deployment; devices that took it keep its result.

    A refusal is logged: a deployment that remains changes no device, and must not block a stack.
    """
    gone = {"ConflictException", "ResourceNotFoundException"}
    for operation in (greengrass.cancel_deployment, greengrass.delete_deployment):
        try:
            operation(deploymentId=deployment_id)
        except ClientError as error:
            # Cancelled or deleted before: by a request that died after it, for example.
            if error.response["Error"]["Code"] not in gone:
                logger.warning("deployment %s remains: %s", deployment_id, error)


def _same(current: Deployment, wanted: Wanted) -> bool:
    return (
        current.components == wanted.components
        and _subset(wanted.policies, current.policies)
        and current.job == wanted.job
    )


def _subset(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether everything wanted is found; the service fills defaults in."""
    return all(found.get(key) == value for key, value in wanted.items())
