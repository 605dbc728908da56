"""Verification of the current release, before a new release replaces it.

A rollback restores only a verified release. If the first release of a fleet is deployed before any
camera is connected, the gate cannot verify that release. Before the second release replaces the
first, connected cameras can verify the first.
"""

import logging
import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.fleet import deployments
from shared.fleet.deployments import (
    STOPPED_TAG,
    UNVERIFIED_TAG,
    VERIFIED_TAG,
    Deployment,
)
from shared.fleet.explanation import summarize
from shared.fleet.gate import (
    GateResult,
    GateRule,
    RolloutTarget,
    evaluate_gate,
)
from shared.fleet.queries import FleetQueries

if TYPE_CHECKING:
    from shared.fleet.device_state import Observation

logger = logging.getLogger(__name__)


def verify_outgoing_release(
    fleet: FleetQueries, thing_group: str, target_arn: str, rule: GateRule
) -> str:
    """Verify the current deployment by its cameras' reports, and return the new tag's value.

    Only deployments whose gate passed without a reachable camera are considered. If the deployment
    is not verified, the result is an empty string.
    """
    try:
        current = deployments.latest(fleet.greengrass, target_arn)
        if current is None or UNVERIFIED_TAG not in current.tags:
            return ""
        if {VERIFIED_TAG, STOPPED_TAG} & set(current.tags):
            return ""
        result = _evaluate(fleet, thing_group, current, rule)
        if result.state != "passed" or not result.with_outcome("good"):
            return ""
        verification = deployments.tag_text(summarize(result))
        deployments.tag(fleet.greengrass, current, {VERIFIED_TAG: verification})
    except (ClientError, BotoCoreError) as error:
        # The new release does not depend on the verification of the current release.
        logger.warning("the current release was not verified before its replacement: %s", error)
        return ""
    return verification


def _evaluate(
    fleet: FleetQueries, thing_group: str, current: Deployment, rule: GateRule
) -> GateResult:
    things = fleet.things(thing_group)
    observations = query_devices(fleet, things, current)
    now = time.time()
    return evaluate_gate(target_of(current, now), rule, things, observations, now)


def query_devices(
    fleet: FleetQueries, things: list[str], current: Deployment
) -> "list[Observation]":
    """Return the current observations of `things` for the deployment `current`."""
    observations: list[Observation] = [
        heartbeat for heartbeats in fleet.heartbeats(things).values() for heartbeat in heartbeats
    ]
    observations += fleet.registered()
    observations += fleet.job_executions(current.job_id, current.id)
    return observations


def target_of(current: Deployment, now: float) -> RolloutTarget:
    """Return a target whose wait starts and ends at `now`, so the gate decides immediately."""
    return RolloutTarget(
        deployment_id=current.id,
        created_at=current.created_at,
        watched_since=now,
        deadline=now,
        model_digest=current.model_digest,
        function_arn=current.function_arn,
    )
