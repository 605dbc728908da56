"""A kept release comes back to the whole fleet, and proves it."""

import uuid

from deeplens.fleet.errors import FleetError
from deeplens.fleet.session import FleetSession
from deeplens.fleet.stop import tag_text
from shared.fleet.deployments import (
    FUNCTION_TAG,
    MANUAL_TAG,
    MODEL_TAG,
    OWNER_TAG,
    Deployment,
    DesiredDeployment,
)
from shared.fleet.errors import DeploymentError
from shared.fleet.gate import GateResult
from shared.fleet.rollout import GateClosed, Rollout


def deploy_release(
    site: FleetSession, current: Deployment, chosen: Deployment, reason: str
) -> GateResult:
    """Deploy a kept release to the whole fleet at once, and wait until cameras run it.

    Raises:
        FleetError: they do not, within the environment's `wait_seconds`.
    """
    wanted = DesiredDeployment(
        target_arn=site.target_arn,
        name=site.deployment_name,
        components=chosen.components,
        policies=chosen.policies,
        job=chosen.job,
        tags={
            # The stack that owns the fleet goes on owning it.
            OWNER_TAG: current.tags.get(OWNER_TAG, ""),
            MODEL_TAG: chosen.tags.get(MODEL_TAG, ""),
            FUNCTION_TAG: chosen.tags.get(FUNCTION_TAG, ""),
            MANUAL_TAG: tag_text(f"roll-back: {reason}"),
        },
    )
    plan = site.plan.at_once()
    rollout = Rollout(site.fleet, site.thing_group, uuid.uuid4().hex, lambda: plan.wait_seconds)
    try:
        return rollout.run(wanted, plan)
    except (GateClosed, DeploymentError) as failure:
        raise FleetError(str(failure)) from None
