"""`Custom::DeepLensProject`: a release on a fleet, complete when the cameras report it.

`AWS::GreengrassV2::Deployment` completes as soon as the API responds. This resource creates the
deployment and waits until the devices report the release. During a rollback, CloudFormation sends
the previous properties, and the resource deploys the previous components again.

Devices can prevent a release, but not its rollback or its removal. Otherwise, the rollback of the
stack could fail (`UPDATE_ROLLBACK_FAILED`), and the stack would accept no further update.
"""

import logging
from dataclasses import replace

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cloudformation import (
    ResourceFailed,
    ResourceRequest,
    ResourceResult,
    custom_resource,
    is_rolling_back,
)
from shared.fleet import deployments
from shared.fleet.errors import DeploymentError
from shared.fleet.explanation import summarize
from shared.fleet.metrics import count_unverified_rollback
from shared.fleet.queries import FleetQueries
from shared.fleet.rollout import GateClosed, Rollout, RolloutPlan

logger = logging.getLogger(__name__)

# The retries of throttled calls. If the retries fail, the wait continues with the last responses.
_RETRIES = Config(retries={"mode": "standard", "max_attempts": 8}, max_pool_connections=16)
_RESPONSE_SECONDS = 30.0
# Error codes for a missing thing group, or for a role without permissions on it.
_INACCESSIBLE = {
    "AccessDeniedException",
    "ForbiddenException",
    "ResourceNotFoundException",
    "UnauthorizedException",
}


def handle(request: ResourceRequest) -> ResourceResult:
    """Deploy or remove a release.

    Raises:
        ResourceFailed: the release does not pass its gate, was stopped before, or is rejected by
            Greengrass. A removal does not raise this error.
    """
    properties = request.properties
    rollout = Rollout(
        fleet=FleetQueries(
            iot=boto3.client("iot", config=_RETRIES),
            iot_data=boto3.client("iot-data", config=_RETRIES),
            greengrass=boto3.client("greengrassv2", config=_RETRIES),
        ),
        thing_group=properties["ThingGroupName"],
        token=request.id,
        remaining_seconds=lambda: request.remaining_seconds() - _RESPONSE_SECONDS,
    )
    physical_id = _physical_id(request)
    desired = deployments.DesiredDeployment.from_properties(properties, request.owner)
    before = deployments.latest(rollout.fleet.greengrass, desired.target_arn)
    try:
        if request.type == "Delete":
            return _remove(request, rollout, desired)
        plan = RolloutPlan.from_properties(properties)
        if request.type == "Update" and _is_rollback(request):
            status = _deploy_previous(rollout, desired, plan, properties["ProjectName"])
        else:
            status = summarize(rollout.run(desired, plan))
    except (GateClosed, DeploymentError) as failed:
        # With a physical id, CloudFormation deletes the parts that a failed Create has created.
        raise ResourceFailed(str(failed), physical_id) from None
    deployment = deployments.latest(rollout.fleet.greengrass, desired.target_arn)
    if before and (manual := before.tags.get(deployments.MANUAL_TAG)):
        status += f"; before, the fleet had been changed manually: {manual}"
    return ResourceResult(
        physical_id, {"DeploymentId": deployment.id if deployment else "", "Status": status}
    )


def _is_rollback(request: ResourceRequest) -> bool:
    try:
        return is_rolling_back(request)
    except (ClientError, BotoCoreError) as error:
        logger.warning("handled as a release: the stack's status is not known: %s", error)
        return False


def _deploy_previous(
    rollout: Rollout, desired: deployments.DesiredDeployment, plan: RolloutPlan, environment: str
) -> str:
    """Deploy the previous components at once and wait; return the status even if devices fail."""
    try:
        return summarize(rollout.run(desired, plan.at_once()))
    except GateClosed as closed:
        status = f"the rollback is deployed, but devices do not run it yet: {closed}"
        text = deployments.tag_text(str(closed))
        deployments.tag(
            rollout.fleet.greengrass, closed.deployment, {deployments.ROLLED_BACK_TAG: text}
        )
    except deployments.ReleaseStopped as stopped:
        status = f"the rollback changes no device: {stopped}"
    logger.error("%s", status)
    count_unverified_rollback(environment, status)
    return status


def _physical_id(request: ResourceRequest) -> str:
    """Return the physical id, which an update changes only if the target changes."""
    old_target = request.old_properties.get("TargetArn")
    stays = request.type == "Delete" or old_target == request.properties["TargetArn"]
    if request.physical_id and stays:
        return request.physical_id
    return f"deeplens-project/{request.properties['ThingGroupName']}"


def _remove(
    request: ResourceRequest, rollout: Rollout, desired: deployments.DesiredDeployment
) -> ResourceResult:
    """Withdraw the release if this resource owns the target's current deployment.

    Devices cannot prevent the withdrawal. Parts that could not be removed are logged.
    """
    result = ResourceResult(_physical_id(request))
    greengrass = rollout.fleet.greengrass
    current = deployments.latest(greengrass, desired.target_arn)
    if current is None or current.tags.get(deployments.OWNER_TAG) != request.owner:
        return result
    try:
        rollout.fleet.things(rollout.thing_group)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _INACCESSIBLE:
            raise
        # After a rename, the old group no longer exists, or the role has permissions only on the
        # new group.
        logger.warning("%s no longer accepts deployments: %s", rollout.thing_group, error)
        if request.properties.get("OnDelete", "remove") == "remove":
            rollout.end_waves(desired)
            deployments.retire(greengrass, current.id)
        return result
    _withdraw(request, rollout, desired, current)
    return result


def _withdraw(
    request: ResourceRequest,
    rollout: Rollout,
    desired: deployments.DesiredDeployment,
    current: deployments.Deployment,
) -> None:
    """Deploy the last verified release again, or a deployment without components.

    If the current release is not verified, for example because the creation of this resource
    failed, the last verified release is deployed again. If there is none and `OnDelete` is `keep`,
    nothing is deployed, and the components remain.
    """
    greengrass = rollout.fleet.greengrass
    plan = RolloutPlan.from_properties(request.properties).at_once()
    before = deployments.last_verified(greengrass, desired.target_arn)
    if deployments.VERIFIED_TAG not in current.tags and before and before.id != current.id:
        # The current release is not verified, for example because the creation of this resource
        # failed.
        previous = deployments.DesiredDeployment(
            desired.target_arn, desired.name, before.components, before.policies, before.job,
            {name: before.tags[name] for name in deployments.IDENTITY_TAGS & before.tags.keys()},
        )  # fmt: skip
        try:
            _deploy_previous(rollout, previous, plan, request.properties["ProjectName"])
        except DeploymentError as refusal:
            # For example, another stack owns the release and deploys it again.
            logger.error("the previous release is not deployed again: %s", refusal)  # noqa: TRY400 - the message contains the cause
        return
    if request.properties.get("OnDelete", "remove") == "keep":
        return
    empty = replace(desired, components={}, job={}, tags={deployments.OWNER_TAG: request.owner})
    names = frozenset(name for name in current.components if not name.startswith("aws."))
    has_remains = False
    try:
        result = rollout.run(empty, plan, absent=names)
        has_remains = bool(result.with_outcome("offline"))
    except GateClosed as closed:
        logger.error("devices still run the project's components: %s", closed)  # noqa: TRY400 - the message contains the cause
        has_remains = True
    rollout.end_waves(desired)
    emptied = deployments.latest(greengrass, desired.target_arn)
    # If devices still have components, the empty deployment remains and removes the components
    # later.
    if emptied and not has_remains:
        deployments.retire(greengrass, emptied.id)


handler = custom_resource(handle)
