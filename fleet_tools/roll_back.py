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
from deeplens_project.rollout import GateClosed, Plan, Rollout
from deeplens_project.verdict import Rule, Verdict
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
        name=f"deeplens-{site.environment.name}",
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
    settings = site.environment.rollout
    rule = Rule(
        success_percent=settings.success_percent,
        error_percent=settings.error_percent,
        minimum_devices=settings.minimum_devices,
        offline_after_seconds=settings.offline_after_seconds,
    )
    plan = Plan(rule=rule, waves=(), wait_seconds=settings.wait_seconds, bake_seconds=0.0)
    rollout = Rollout(
        site.fleet, site.thing_group, uuid.uuid4().hex, lambda: float(settings.wait_seconds)
    )
    try:
        return rollout.run(wanted, plan)
    except (GateClosed, ResourceFailed) as failure:
        raise FleetError(str(failure)) from None
