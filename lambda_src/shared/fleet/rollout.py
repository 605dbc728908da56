"""Rollout of a release in waves: each wave is a thing group with a separate gate."""

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
    """A part of the fleet that receives a release early.

    The part is the members of `thing_group` or, if that is None, `percent` of the fleet's devices.
    """

    thing_group: str | None
    percent: float
    wait_seconds: float
    bake_seconds: float
    pause_seconds: float


@dataclass(frozen=True)
class RolloutPlan:
    """The rollout's settings in the template; `deeplens.config.rollout` reads them from TOML."""

    rule: GateRule
    waves: tuple[Wave, ...]
    wait_seconds: float
    bake_seconds: float

    def at_once(self) -> Self:
        """Return the plan without waves and bake time, for components that have run before."""
        return replace(self, waves=(), bake_seconds=0.0)

    @classmethod
    def from_properties(cls, properties: dict[str, Any]) -> Self:
        """Return the plan in the property `Rollout`, a JSON string."""
        return cls.from_document(json.loads(properties["Rollout"]))

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the plan of a document from `RolloutConfig.to_plan`."""
        return cls(
            rule=GateRule.of(document),
            waves=tuple(Wave(**wave) for wave in document["waves"]),
            wait_seconds=float(document["wait_seconds"]),
            bake_seconds=float(document["bake_seconds"]),
        )


class GateClosed(Exception):  # noqa: N818 - named after the event
    """Raised if a deployment's gate does not pass; the message is the reason in the stack's events.

    Attributes:
        deployment: the deployment that is not verified.
    """

    def __init__(self, text: str, deployment: Deployment) -> None:
        super().__init__(text)
        self.deployment = deployment


@dataclass(frozen=True)
class Rollout:
    """A rollout of components to one fleet."""

    fleet: FleetQueries
    thing_group: str
    token: str
    remaining_seconds: Callable[[], float]

    def run(
        self, desired: DesiredDeployment, plan: RolloutPlan, absent: frozenset[str] = frozenset()
    ) -> GateResult:
        """Deploy `desired` in waves, and return the result of the gate.

        Components that passed the gate of this fleet before are deployed to all devices at once,
        so that a rollback is fast. The first deployment of a fleet has no waves either, because the
        deployment of a wave is a subdeployment of the fleet's deployment.

        Raises:
            GateClosed: not enough devices run the release, or another operation ended the
                deployment.
            DeploymentError: Greengrass rejects a deployment, or the release was stopped before.
        """
        greengrass = self.fleet.greengrass
        verify_outgoing_release(self.fleet, self.thing_group, desired.target_arn, plan.rule)
        current = deployments.latest(greengrass, desired.target_arn)
        # A deployment is inactive if the deployment that replaced it was deleted.
        is_first = current is None or current.status == "INACTIVE"
        if desired.components and not is_first and not deployments.is_verified(greengrass, desired):
            for number, wave in enumerate(plan.waves, start=1):
                self._run_wave(desired, plan, wave, number)
        deployment, outcome = self._attempt(
            desired, plan.rule, plan.wait_seconds, plan.bake_seconds, absent
        )
        if not outcome.passed:
            raise GateClosed(_reason("", outcome), deployment)
        if desired.components:
            text = deployments.tag_text(summarize(outcome.gate))
            is_verified = outcome.gate.with_outcome("good")
            name = deployments.VERIFIED_TAG if is_verified else deployments.UNVERIFIED_TAG
            deployments.tag(greengrass, deployment, {name: text})
            self._end_former_waves(desired, plan)
        return outcome.gate

    def end_waves(self, desired: DesiredDeployment, current: Collection[str] = ()) -> None:
        """Delete the deployments of the fleet's waves, and the thing groups created for them.

        Errors are only logged, because a remaining wave changes no device.

        Args:
            desired: a deployment of the fleet.
            current: names of the thing groups whose waves remain.
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
        """Delete the thing group of a wave if its name has the format of `wave_group`."""
        if not _is_wave_group(group, self.thing_group):
            return
        try:
            self.fleet.iot.delete_thing_group(thingGroupName=group)
        except ClientError as error:
            logger.warning("thing group %s remains: %s", group, error)

    def _end_former_waves(self, desired: DesiredDeployment, plan: RolloutPlan) -> None:
        """Delete the waves of earlier releases, except waves that the plan contains."""
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
        # The minimum number of devices applies to the fleet, not to a wave.
        rule = replace(plan.rule, minimum_devices=0)
        deployment, outcome = self._attempt(
            desired.to(target), rule, wave.wait_seconds, wave.bake_seconds, frozenset()
        )
        if not outcome.passed:
            label = f"wave {number} of {len(plan.waves)} ({group}): "
            raise GateClosed(_reason(label, outcome), deployment)
        logger.info("wave %d of %d passed: %s", number, len(plan.waves), summarize(outcome.gate))
        time.sleep(min(wave.pause_seconds, max(self.remaining_seconds(), 0.0)))

    def _group_of(self, desired: DesiredDeployment, wave: Wave, number: int) -> str:
        """Create or update the thing group for a share of the fleet; return the group's name."""
        iot, name = self.fleet.iot, wave_group(desired.name, number, self.thing_group)
        iot.create_thing_group(thingGroupName=name)
        selected = share_of(self.fleet.things(self.thing_group), wave.percent)
        present = set(self.fleet.things(name))
        for thing in sorted(selected - present):
            iot.add_thing_to_thing_group(thingGroupName=name, thingName=thing)
        for thing in sorted(present - selected):
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
        """Deploy and wait; retry once if devices lacked only credentials or a connection.

        Both attempts share `wait_seconds`. The second attempt has a tag, so a repeated request does
        not start a third attempt.
        """
        greengrass = self.fleet.greengrass
        deployment = deployments.ensure(greengrass, desired, self.token)
        now = time.time()
        target = RolloutTarget(
            deployment_id=deployment.id,
            created_at=deployment.created_at,
            watched_since=now,
            deadline=now + min(wait_seconds, max(self.remaining_seconds(), 1.0)),
            model_digest=desired.tags.get(deployments.MODEL_TAG),
            function_arn=desired.tags.get(deployments.FUNCTION_TAG),
            absent=absent,
            components=frozenset(
                (name, component.get("componentVersion", ""))
                for name, component in desired.components.items()
            ),
            may_retry=deployments.RETRY_TAG not in deployment.tags,
        )
        outcome = self._monitor(deployment).wait(target, rule, bake_seconds)
        if outcome.gate.state != "retry":
            return deployment, outcome
        retried = outcome.gate.retryable
        reason = summarize(replace(outcome.gate, devices=retried))
        logger.warning("deployed once more, for devices without a connection: %s", reason)
        deployment = deployments.retry(greengrass, deployment, desired, self.token, reason)
        # `created_at` does not change: a process that started after the first attempt runs the same
        # components.
        target = replace(target, deployment_id=deployment.id, may_retry=False)
        outcome = self._monitor(deployment).wait(target, rule, bake_seconds)
        return deployment, replace(outcome, gate=replace(outcome.gate, retried=retried))

    def _monitor(self, deployment: Deployment) -> RolloutMonitor:
        group = deployment.target_arn.rpartition("/")[2]
        return RolloutMonitor(
            self.fleet,
            group,
            deployment,
            lambda: deployments.get(self.fleet.greengrass, deployment.id),
        )


def wave_group(deployment_name: str, number: int, thing_group: str) -> str:
    """Return the name of the thing group for a wave that is a percentage of the fleet.

    The handler's permissions are limited to names that start with the project's name. The group's
    name also contains the fleet, because the parent of a subdeployment cannot change.
    """
    return f"{deployment_name}-wave-{number}-of-{thing_group}"


def _is_wave_group(name: str, thing_group: str) -> bool:
    """Return whether `wave_group` can return the name for this fleet, with any project."""
    return re.fullmatch(rf".+-wave-\d+-of-{re.escape(thing_group)}", name) is not None


def share_of(things: Collection[str], percent: float) -> set[str]:
    """Return the devices of a share of the fleet; their number is rounded up.

    The selection depends only on the names of the devices. Each wave therefore contains all waves
    with a lower percentage, and a repeated request selects the same devices.
    """
    return set(sorted(things, key=_sort_key)[: math.ceil(len(things) * percent / 100)])


def _sort_key(thing: str) -> str:
    """Return a sort key that is independent of the naming scheme."""
    return hashlib.sha256(thing.encode()).hexdigest()


def _reason(wave: str, outcome: MonitorResult) -> str:
    parts = [
        wave + (outcome.stopped or summarize(outcome.gate)),
        *(f"AWS did not answer: {error}" for error in outcome.unanswered),
        suggest(outcome.gate),
    ]
    return ". ".join(part for part in parts if part)
