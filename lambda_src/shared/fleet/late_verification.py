"""A release whose gate had nobody to ask: the word of cameras that came later, kept in time.

Only a proven release is one to return to. The first release of a fleet meets no camera; by the time
that the second one replaces it, its cameras say in their heartbeats whether they run it.
"""

import logging
import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.fleet import deployments
from shared.fleet.deployments import (
    FUNCTION_TAG,
    MODEL_TAG,
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
    """Return what cameras say of the current deployment, if that proves it now; else nothing.

    A deployment whose gate was closed is never proven by this: only one whose gate met no camera.
    """
    try:
        current = deployments.latest(fleet.greengrass, target_arn)
        if current is None or UNVERIFIED_TAG not in current.tags:
            return ""
        if {VERIFIED_TAG, STOPPED_TAG} & set(current.tags):
            return ""
        result = _look(fleet, thing_group, current, rule)
        if result.state != "passed" or not result.with_outcome("good"):
            return ""
        proof = deployments.tag_text(summarize(result))
        deployments.tag(fleet.greengrass, current, {VERIFIED_TAG: proof})
    except (ClientError, BotoCoreError) as error:
        # It is no part of the new release whether the old one can be returned to.
        logger.warning("what runs now was not proven before it goes: %s", error)
        return ""
    return proof


def _look(fleet: FleetQueries, thing_group: str, current: Deployment, rule: GateRule) -> GateResult:
    things = fleet.things(thing_group)
    observations: list[Observation] = [
        one for answer in fleet.heartbeats(things).values() for one in answer
    ]
    observations += fleet.registered()
    observations += fleet.job_executions(current.job_id, current.id)
    now = time.time()
    target = RolloutTarget(
        deployment_id=current.id,
        created_at=current.created_at,
        watched_since=now,
        deadline=now,
        model_digest=current.tags.get(MODEL_TAG),
        function_arn=current.tags.get(FUNCTION_TAG),
    )
    return evaluate_gate(target, rule, things, observations, now)
