"""A kept release comes back to the whole fleet, and proves it."""

import uuid

from cloudformation import ResourceFailed
from deeplens_project.deployments import (
    BY_HAND_TAG,
    FUNCTION_TAG,
    MODEL_TAG,
    OWNER_TAG,
    Deployment,
    Wanted,
)
from deeplens_project.rollout import GateClosed, Rollout
from deeplens_project.verdict import Verdict
from fleet_tools.errors import FleetError
from fleet_tools.site import Site
from fleet_tools.stop import stamped


def bring_back(site: Site, current: Deployment, chosen: Deployment, reason: str) -> Verdict:
    """Deploy a kept release to the whole fleet at once, and wait until cameras run it.

    Raises:
        FleetError: they do not, within the environment's `wait_seconds`.
    """
    wanted = Wanted(
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
            BY_HAND_TAG: stamped(f"roll-back: {reason}"),
        },
    )
    plan = site.plan.at_once()
    rollout = Rollout(site.fleet, site.thing_group, uuid.uuid4().hex, lambda: plan.wait_seconds)
    try:
        return rollout.run(wanted, plan)
    except (GateClosed, ResourceFailed) as failure:
        raise FleetError(str(failure)) from None
