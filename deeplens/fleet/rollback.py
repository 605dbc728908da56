"""Rollback of a fleet to a stored release, without CloudFormation."""

import uuid

from deeplens.fleet.errors import FleetError
from deeplens.fleet.session import FleetSession
from shared.fleet.deployments import (
    FUNCTION_TAG,
    MANUAL_TAG,
    MODEL_TAG,
    OWNER_TAG,
    Deployment,
    DesiredDeployment,
    tag_text,
)
from shared.fleet.errors import DeploymentError
from shared.fleet.gate import GateResult
from shared.fleet.rollout import GateClosed, Rollout


def deploy_release(
    session: FleetSession, current: Deployment, release: Deployment, reason: str
) -> GateResult:
    """Deploy a stored release to all devices at once, wait for the gate, and return its result.

    The gate of the environment's rollout applies, as for a deploy.

    Raises:
        FleetError: the deployment fails, or the devices do not run the release within the
            environment's `wait_seconds`.
    """
    desired = DesiredDeployment(
        target_arn=session.target_arn,
        name=session.deployment_name,
        components=release.components,
        policies=release.policies,
        job=release.job,
        tags={
            # The stack remains the owner of the fleet.
            OWNER_TAG: current.tags.get(OWNER_TAG, ""),
            MODEL_TAG: release.tags.get(MODEL_TAG, ""),
            FUNCTION_TAG: release.tags.get(FUNCTION_TAG, ""),
            MANUAL_TAG: tag_text(f"rollback: {reason}"),
        },
    )
    plan = session.plan.at_once()
    rollout = Rollout(
        session.fleet, session.thing_group, uuid.uuid4().hex, lambda: plan.wait_seconds
    )
    try:
        return rollout.run(desired, plan)
    except (GateClosed, DeploymentError) as failure:
        raise FleetError(str(failure)) from None
