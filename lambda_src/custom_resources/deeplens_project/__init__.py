"""`Custom::DeepLensProject`: a release on a fleet, done when the cameras say so.

`AWS::GreengrassV2::Deployment` is complete as soon as the API answered. This resource creates the
deployment and waits until the devices report it. On CloudFormation's rollback, which asks for the
previous properties, it deploys the previous complete set again.

Devices decide about a release, never about its rollback or its removal: a stack whose rollback
fails (`UPDATE_ROLLBACK_FAILED`) accepts no further deploy, not even the repair.
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

# Throttled calls are repeated; a wait that still gets no answer goes on with what it knows.
_PATIENT = Config(retries={"mode": "standard", "max_attempts": 8}, max_pool_connections=16)
_ANSWER_SECONDS = 30.0
# A thing group that is not there, or on which the role has no rights.
_OUT_OF_REACH = {
    "AccessDeniedException",
    "ForbiddenException",
    "ResourceNotFoundException",
    "UnauthorizedException",
}


def handle(request: ResourceRequest) -> ResourceResult:
    """Handle one request; raise `ResourceFailed` when the cameras do not get there in time."""
    properties = request.properties
    rollout = Rollout(
        fleet=FleetQueries(
            iot=boto3.client("iot", config=_PATIENT),
            iot_data=boto3.client("iot-data", config=_PATIENT),
            greengrass=boto3.client("greengrassv2", config=_PATIENT),
        ),
        thing_group=properties["ThingGroupName"],
        token=request.id,
        remaining_seconds=lambda: request.remaining_seconds() - _ANSWER_SECONDS,
    )
    physical_id = _physical_id(request)
    desired = deployments.DesiredDeployment.from_properties(properties, request.owner)
    before = deployments.latest(rollout.fleet.greengrass, desired.target_arn)
    try:
        if request.type == "Delete":
            return _remove(request, rollout, desired)
        plan = RolloutPlan.from_properties(properties)
        if request.type == "Update" and _is_rollback(request):
            status = _return_to(rollout, desired, plan, properties["ProjectName"])
        else:
            status = summarize(rollout.run(desired, plan))
    except (GateClosed, DeploymentError) as failed:
        # With an id of its own, a failed Create is undone by the Delete that follows.
        raise ResourceFailed(str(failed), physical_id) from None
    made = deployments.latest(rollout.fleet.greengrass, desired.target_arn)
    if before and (by_hand := before.tags.get(deployments.MANUAL_TAG)):
        status += f"; before, the fleet had been changed by hand: {by_hand}"
    return ResourceResult(physical_id, {"DeploymentId": made.id if made else "", "Status": status})


def _is_rollback(request: ResourceRequest) -> bool:
    try:
        return is_rolling_back(request)
    except (ClientError, BotoCoreError) as error:
        logger.warning("judged as a release: the stack's status is not known: %s", error)
        return False


def _return_to(
    rollout: Rollout, desired: deployments.DesiredDeployment, plan: RolloutPlan, environment: str
) -> str:
    """Deploy a set and wait for the devices; return their status, also if they do not run it."""
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
    """The id follows from the target: a renamed project is an update, another fleet a new one."""
    old_target = request.old_properties.get("TargetArn")
    stays = request.type == "Delete" or old_target == request.properties["TargetArn"]
    if request.physical_id and stays:
        return request.physical_id
    return f"deeplens-project/{request.properties['ThingGroupName']}"


def _remove(
    request: ResourceRequest, rollout: Rollout, desired: deployments.DesiredDeployment
) -> ResourceResult:
    """Restore the fleet's release without this resource; devices never prevent it.

    The log names the parts that could not be removed.
    """
    result = ResourceResult(_physical_id(request))
    greengrass = rollout.fleet.greengrass
    current = deployments.latest(greengrass, desired.target_arn)
    if current is None or current.tags.get(deployments.OWNER_TAG) != request.owner:
        return result
    try:
        rollout.fleet.things(rollout.thing_group)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _OUT_OF_REACH:
            raise
        # The group was renamed: its stack has deleted it, or the role has rights on the new one.
        logger.warning("nothing can be deployed to %s any more: %s", rollout.thing_group, error)
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
    """Deploy the release before this resource, or an empty set if there was none."""
    greengrass = rollout.fleet.greengrass
    plan = RolloutPlan.from_properties(request.properties).at_once()
    before = deployments.last_verified(greengrass, desired.target_arn)
    if deployments.VERIFIED_TAG not in current.tags and before and before.id != current.id:
        # The creation of this resource failed, so the previous release is deployed again.
        previous = deployments.DesiredDeployment(
            desired.target_arn, desired.name, before.components, before.policies, before.job,
            {name: before.tags[name] for name in deployments.IDENTITY_TAGS & before.tags.keys()},
        )  # fmt: skip
        try:
            _return_to(rollout, previous, plan, request.properties["ProjectName"])
        except DeploymentError as refusal:
            # Another stack owns it, for example: then that stack deploys it again.
            logger.error("what ran before is not deployed again: %s", refusal)  # noqa: TRY400 - the text is the reason
        return
    if request.properties.get("OnDelete", "remove") == "keep":
        return
    nothing = replace(desired, components={}, job={}, tags={deployments.OWNER_TAG: request.owner})
    names = frozenset(name for name in current.components if not name.startswith("aws."))
    is_left = False
    try:
        result = rollout.run(nothing, plan, absent=names)
        is_left = bool(result.with_outcome("offline"))
    except GateClosed as closed:
        logger.error("devices still run the project's components: %s", closed)  # noqa: TRY400 - the text is the reason
        is_left = True
    rollout.end_waves(desired)
    emptied = deployments.latest(greengrass, desired.target_arn)
    # Otherwise the deployment remains: these devices still have to remove their components.
    if emptied and not is_left:
        deployments.retire(greengrass, emptied.id)


handler = custom_resource(handle)
