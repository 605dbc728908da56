"""A release in waves: each wave is a thing group below the fleet, with its own gate."""

import hashlib
import json
import logging
import math
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from shared.fleet import deployments
from shared.fleet.deployments import Deployment, DesiredDeployment
from shared.fleet.explanation import suggest, summarize
from shared.fleet.gate import GateResult, GateRule, RolloutTarget
from shared.fleet.late_verification import verify_outgoing_release
from shared.fleet.monitor import MonitorResult, RolloutMonitor
from shared.fleet.queries import FleetQueries

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wave:
    """Some of the fleet before the rest: a named thing group, or a share in percent."""

    thing_group: str | None
    percent: float
    wait_seconds: float
    bake_seconds: float
    pause_seconds: float


@dataclass(frozen=True)
class RolloutPlan:
    """What the template says about the rollout; `deeplens.config.rollout` has it in TOML."""

    rule: GateRule
    waves: tuple[Wave, ...]
    wait_seconds: float
    bake_seconds: float

    def at_once(self) -> Self:
        """Return the same plan without waves and without a bake: for a set that ran before."""
        return replace(self, waves=(), bake_seconds=0.0)

    @classmethod
    def from_properties(cls, properties: dict[str, Any]) -> Self:
        """Read the property `Rollout`, a JSON text."""
        return cls.from_document(json.loads(properties["Rollout"]))

    @classmethod
    def from_document(cls, found: dict[str, Any]) -> Self:
        """Read the plan that `RolloutConfig.to_plan` writes: the only place that makes its rule."""
        return cls(
            rule=GateRule(**found["rule"]),
            waves=tuple(Wave(**wave) for wave in found["waves"]),
            wait_seconds=float(found["wait_seconds"]),
            bake_seconds=float(found["bake_seconds"]),
        )


class GateClosed(Exception):  # noqa: N818 - what happened, in the words of the design
    """A release that the devices did not verify; the text is the stack's reason.

    Attributes:
        deployment: the deployment that they did not verify.
    """

    def __init__(self, text: str, deployment: Deployment) -> None:
        super().__init__(text)
        self.deployment = deployment


@dataclass(frozen=True)
class Rollout:
    """Brings one set to one fleet."""

    fleet: FleetQueries
    thing_group: str
    token: str
    remaining_seconds: Callable[[], float]

    def run(
        self, desired: DesiredDeployment, plan: RolloutPlan, absent: frozenset[str] = frozenset()
    ) -> GateResult:
        """Deploy `desired`, wave by wave, and return how it went.

        A set that passed the gate here before goes to the whole fleet at once: that is how a
        rollback is fast. So does the first deployment of a fleet: a wave's deployment acts on
        behalf of the fleet's, and there is none yet.

        Raises:
            GateClosed: too many devices did not get there, or somebody stopped the deployment.
        """
        greengrass = self.fleet.greengrass
        verify_outgoing_release(self.fleet, self.thing_group, desired.target_arn, plan.rule)
        current = deployments.latest(greengrass, desired.target_arn)
        # Inactive: the deployment that replaced it was deleted.
        is_first = current is None or current.status == "INACTIVE"
        if desired.components and not is_first and not deployments.is_verified(greengrass, desired):
            for number, wave in enumerate(plan.waves, start=1):
                self._run_wave(desired, plan, wave, number)
        made, outcome = self._attempt(
            desired, plan.rule, plan.wait_seconds, plan.bake_seconds, absent
        )
        if not outcome.passed:
            raise GateClosed(_reason("", outcome), made)
        if desired.components:
            said = deployments.tag_text(summarize(outcome.gate))
            seen = outcome.gate.with_outcome("good")
            name = deployments.VERIFIED_TAG if seen else deployments.UNVERIFIED_TAG
            deployments.tag(greengrass, made, {name: said})
            self._end_former_waves(desired, plan)
        return outcome.gate

    def end_waves(self, desired: DesiredDeployment, current: Collection[str] = ()) -> None:
        """Remove the deployments of the fleet's waves, and the groups that were made for them.

        Errors are logged: what remains of a wave changes no device.

        Args:
            desired: a deployment of the fleet.
            current: names of the groups of waves that remain.
        """
        try:
            for summary in deployments.waves_of(self.fleet.greengrass, desired.target_arn):
                group = summary["targetArn"].rpartition("/")[2]
                if group not in current:
                    deployments.retire(self.fleet.greengrass, summary["deploymentId"])
                    self._delete_wave_group(group)
        except (ClientError, BotoCoreError) as error:
            logger.warning("waves remain: %s", error)

    def _delete_wave_group(self, group: str) -> None:
        """Delete a group that was made for a wave; one that somebody else named remains."""
        if not _is_wave_group(group, self.thing_group):
            return
        try:
            self.fleet.iot.delete_thing_group(thingGroupName=group)
        except ClientError as error:
            logger.warning("thing group %s remains: %s", group, error)

    def _end_former_waves(self, desired: DesiredDeployment, plan: RolloutPlan) -> None:
        """Remove waves of earlier releases that the plan does not contain."""
        groups = {
            wave.thing_group or wave_group(desired.name, number, self.thing_group)
            for number, wave in enumerate(plan.waves, start=1)
        }
        self.end_waves(desired, groups)

    def _run_wave(
        self, desired: DesiredDeployment, plan: RolloutPlan, wave: Wave, number: int
    ) -> None:
        group = wave.thing_group or self._group_of(desired, wave, number)
        target = desired.target_arn.rpartition("/")[0] + "/" + group
        # A wave's number of devices is its own: the fleet's minimum is for the whole.
        rule = replace(plan.rule, minimum_devices=0)
        made, outcome = self._attempt(
            desired.to(target), rule, wave.wait_seconds, wave.bake_seconds, frozenset()
        )
        if not outcome.passed:
            where = f"wave {number} of {len(plan.waves)} ({group}): "
            raise GateClosed(_reason(where, outcome), made)
        logger.info("wave %d of %d passed: %s", number, len(plan.waves), summarize(outcome.gate))
        time.sleep(min(wave.pause_seconds, max(self.remaining_seconds(), 0.0)))

    def _group_of(self, desired: DesiredDeployment, wave: Wave, number: int) -> str:
        """Make the thing group of a share of the fleet, and put its share into it."""
        iot, name = self.fleet.iot, wave_group(desired.name, number, self.thing_group)
        iot.create_thing_group(thingGroupName=name)
        chosen = share_of(self.fleet.things(self.thing_group), wave.percent)
        present = set(self.fleet.things(name))
        for thing in sorted(chosen - present):
            iot.add_thing_to_thing_group(thingGroupName=name, thingName=thing)
        for thing in sorted(present - chosen):
            iot.remove_thing_from_thing_group(thingGroupName=name, thingName=thing)
        return name

    def _attempt(
        self,
        desired: DesiredDeployment,
        rule: GateRule,
        wait_seconds: float,
        bake_seconds: float,
        absent: frozenset[str],
    ) -> tuple[Deployment, MonitorResult]:
        """Deploy a set to its target and wait; once more if only a connection was missing.

        Both attempts share `wait_seconds`. The second one has a tag, so a request that is repeated
        after it makes no third.
        """
        greengrass = self.fleet.greengrass
        made = deployments.ensure(greengrass, desired, self.token)
        now = time.time()
        target = RolloutTarget(
            deployment_id=made.id,
            created_at=made.created_at,
            watched_since=now,
            deadline=now + min(wait_seconds, max(self.remaining_seconds(), 1.0)),
            model_digest=desired.tags.get(deployments.MODEL_TAG),
            function_arn=desired.tags.get(deployments.FUNCTION_TAG),
            absent=absent,
            components=frozenset(
                (name, component.get("componentVersion", ""))
                for name, component in desired.components.items()
            ),
            may_retry=deployments.RETRY_TAG not in made.tags,
        )
        outcome = self._watch(made).wait(target, rule, bake_seconds)
        if outcome.gate.state != "retry":
            return made, outcome
        retried = outcome.gate.retryable
        why = summarize(replace(outcome.gate, devices=retried))
        logger.warning("deployed once more, for devices without a connection: %s", why)
        made = deployments.retry(greengrass, made, desired, self.token, why)
        # A process that started after the first attempt runs the same set.
        target = replace(target, deployment_id=made.id, may_retry=False)
        outcome = self._watch(made).wait(target, rule, bake_seconds)
        return made, replace(outcome, gate=replace(outcome.gate, retried=retried))

    def _watch(self, made: Deployment) -> RolloutMonitor:
        group = made.target_arn.rpartition("/")[2]
        return RolloutMonitor(
            self.fleet, group, made, lambda: deployments.get(self.fleet.greengrass, made.id)
        )


def wave_group(deployment_name: str, number: int, thing_group: str) -> str:
    """Return the name of the thing group of a wave by percentage.

    It begins with the project and contains the fleet: the handler's rights are by that beginning,
    and a group never changes the fleet on whose behalf its deployments act.
    """
    return f"{deployment_name}-wave-{number}-of-{thing_group}"


def _is_wave_group(name: str, thing_group: str) -> bool:
    """Return whether `wave_group` made the name for this fleet, for whatever project name."""
    return re.fullmatch(rf".+-wave-\d+-of-{re.escape(thing_group)}", name) is not None


def share_of(things: Collection[str], percent: float) -> set[str]:
    """Choose a share of the fleet, rounded up.

    Which devices those are follows from their names alone, so that each wave contains the one
    before and a repeated request means the same devices.
    """
    return set(sorted(things, key=_place)[: math.ceil(len(things) * percent / 100)])


def _place(thing: str) -> str:
    """Order things in a way that has nothing to do with how they are named."""
    return hashlib.sha256(thing.encode()).hexdigest()


def _reason(where: str, outcome: MonitorResult) -> str:
    parts = [
        where + (outcome.stopped or summarize(outcome.gate)),
        *(f"AWS did not answer: {error}" for error in outcome.unanswered),
        suggest(outcome.gate),
    ]
    return ". ".join(part for part in parts if part)
