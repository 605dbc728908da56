"""Wait for a rollout: query the devices, and evaluate the gate until it has a result."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from shared.fleet.deployments import STOPPED_TAG, Deployment
from shared.fleet.device_state import (
    FAILED,
    SUCCEEDED,
    JobExecution,
    Observation,
    ReceivedHeartbeat,
)
from shared.fleet.explanation import summarize
from shared.fleet.gate import (
    GateResult,
    GateRule,
    RolloutTarget,
    evaluate_gate,
)
from shared.fleet.queries import FleetQueries

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
# The longest pause between two rounds of queries, per thing of a large fleet. A round has many
# calls, and API quotas apply to the account.
_PAUSE_PER_THING_SECONDS = 0.008
_LONGEST_PAUSE_OF_ALL_SECONDS = 15.0
# The minimum time between two queries for core devices. The list contains all devices of the
# account, so it is queried less often.
_PAUSE_OF_REGISTERED_SECONDS = 10.0
# The key of the response about all core devices.
_REGISTERED = "registered/account"


@dataclass(frozen=True)
class MonitorResult:
    """The result of a wait.

    Attributes:
        stopped: the reason if the wait ended because another operation ended the deployment, or
            because the required queries failed; otherwise empty.
        unanswered: if the gate failed, the error of each query whose last attempt failed.
    """

    gate: GateResult
    stopped: str = ""
    unanswered: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True if the gate passed, and `stopped` is empty."""
        return not self.stopped and self.gate.state == "passed"


@dataclass
class RolloutMonitor:
    """A monitor of one deployment on the devices of one thing group."""

    fleet: FleetQueries
    thing_group: str
    deployment: Deployment
    # A function that returns the current state of the deployment.
    refreshed: Callable[[], Deployment]
    _responses: dict[str, list[Observation]] = field(default_factory=dict)
    # Time of the last heartbeat query by thing, in seconds since the epoch.
    _heartbeat_queried_at: dict[str, float] = field(default_factory=dict)
    # Time of the last query for core devices, in seconds since the epoch.
    _registered_queried_at: float = 0.0
    _settled: frozenset[str] = frozenset()
    _things: list[str] = field(default_factory=list)
    # True as soon as all required queries have succeeded in one round.
    _has_responses: bool = False
    # Start of the last round of queries, in seconds since the epoch; the gate is evaluated for this
    # time.
    _queried_at: float = 0.0
    # The last error by query; a success of the query removes it.
    _errors: dict[str, str] = field(default_factory=dict)

    def wait(
        self, target: RolloutTarget, rule: GateRule, bake_seconds: float = 0.0
    ) -> MonitorResult:
        """Query devices until the gate fails, requires a retry, or passes for `bake_seconds`.

        The wait also ends if another operation ends the deployment, or if the required queries have
        not succeeded before the deadline.
        """
        pause = _FIRST_PAUSE_SECONDS
        baked_at: float | None = None
        logged = ""
        while True:
            self._queried_at = time.time()
            if reason := self._observe(is_last=self._queried_at >= target.deadline):
                return MonitorResult(self._evaluate(target, rule), reason)
            if not self._has_responses and self._queried_at < target.deadline:
                pause = self._rest(pause, target.deadline)
                continue
            result = self._evaluate(target, rule)
            if not self._has_responses:
                error = self._errors["fleet"]
                reason = f"AWS did not answer the queries about the fleet in time: {error}"
                return MonitorResult(result, reason)
            self._settled = frozenset(device.thing for device in result.with_outcome("good"))
            sentence = summarize(result)
            if sentence != logged:
                logger.info("%s", sentence)
                logged = sentence
            now = time.time()
            if result.state == "retry":
                return MonitorResult(result)
            if result.state == "failed":
                self._query_reasons(result)
                return MonitorResult(
                    self._evaluate(target, rule),
                    unanswered=tuple(sorted(set(self._errors.values()))),
                )
            if result.state == "passed":
                baked_at = baked_at or now + bake_seconds
                if now >= baked_at:
                    return MonitorResult(result)
                # During the bake time, a device can still fail, so the heartbeats of all devices
                # are queried.
                self._settled = frozenset()
                pause = self._rest(pause, baked_at)
                continue
            pause = self._rest(pause, target.deadline)

    def _rest(self, pause: float, ends_at: float) -> float:
        """Sleep until the next round, and return the pause after that round, in seconds.

        The pause is random within limits, so that environments of one account that deploy together
        do not send their queries at the same time.
        """
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - distributes calls; not used for security
        time.sleep(min(pause * jitter, max(ends_at - time.time(), _FIRST_PAUSE_SECONDS)))
        longest = min(
            max(_LONGEST_PAUSE_SECONDS, len(self._things) * _PAUSE_PER_THING_SECONDS),
            _LONGEST_PAUSE_OF_ALL_SECONDS,
        )
        return min(pause * 1.5, longest)

    def _evaluate(self, target: RolloutTarget, rule: GateRule) -> GateResult:
        observations = [
            observation for responses in self._responses.values() for observation in responses
        ]
        return evaluate_gate(target, rule, self._things, observations, self._queried_at)

    def _observe(self, *, is_last: bool) -> str:
        """Query the deployment and its devices; return the reason if the deployment ended.

        The result is empty if the deployment continues. If a query fails, for example because of
        throttling, its previous response is used. The last call queries every device that does not
        run the release yet, because a device can run it before its job finishes.
        """
        try:
            deployment = self.refreshed()
            if not deployment.is_live:
                reason = deployment.tags.get(STOPPED_TAG, "another deployment replaced it")
                return f"the deployment is {deployment.status}: {reason}"
            self._things = self.fleet.things(self.thing_group)
            executions = self.fleet.job_executions(deployment.job_id, deployment.id)
            self._responses["job"] = list(executions)
            done = self._done()
            now = time.time()
            unsettled = set(self._things) - self._settled if is_last else set()
            things = [
                thing
                for thing in self._things
                if thing in unsettled or self._needs_heartbeat(thing, done, now)
            ]
            for thing, responses in self.fleet.heartbeats(things).items():
                self._responses[f"heartbeat/{thing}"] = responses
                self._heartbeat_queried_at[thing] = now
            self._query_unregistered(now, is_last=is_last)
            self._query_devices(self._unclear())
            self._has_responses = True
            self._errors.pop("fleet", None)
        except (ClientError, BotoCoreError) as error:
            self._errors["fleet"] = str(error)
            logger.warning("a query about the fleet failed: %s", error)
        return ""

    def _needs_heartbeat(self, thing: str, done: set[str], now: float) -> bool:
        """Return whether to query a device's heartbeat in this round.

        A device whose job has ended is queried in every round until it runs the release. For other
        devices, the last heartbeat is sufficient until half of the silence time has passed.
        """
        if thing in done and thing not in self._settled:
            return True
        last = next(iter(self._responses.get(f"heartbeat/{thing}", [])), None)
        pause = _LONGEST_PAUSE_SECONDS
        if isinstance(last, ReceivedHeartbeat):
            if now - last.received_at <= last.silence_seconds / 2:
                return False
            pause = min(pause, last.silence_seconds / 2)
        return now - self._heartbeat_queried_at.get(thing, 0.0) >= pause

    def _unclear(self) -> list[str]:
        """Return the devices whose job has ended and that do not run the release."""
        return sorted(self._done() & set(self._things) - self._settled)

    def _done(self) -> set[str]:
        """Return the devices whose job has ended."""
        return self._with(SUCCEEDED | FAILED)

    def _with(self, statuses: frozenset[str]) -> set[str]:
        """Return the devices whose job has one of the statuses."""
        return {
            execution.thing
            for execution in self._responses["job"]
            if isinstance(execution, JobExecution) and execution.status in statuses
        }

    def _query_reasons(self, result: GateResult) -> None:
        """Query details for messages: the reasons of failures, and the nuclei of the devices."""
        things = [
            device.thing
            for device in (*result.with_outcome("failed"), *result.with_outcome("waiting"))
        ]
        self._query_devices(things)
        if set(things) - self._registered():
            self._query_nuclei()

    def _query_unregistered(self, now: float, *, is_last: bool) -> None:
        """Query core devices if a member without heartbeat or with a failed job is not registered.

        ListCoreDevices with a thing group lists only devices on which a deployment to that group
        succeeded. It therefore does not list all members that have been connected. If only members
        with a failed job are not registered, the query may fail, because only messages use its
        result.
        """
        if not is_last and now - self._registered_queried_at < _PAUSE_OF_REGISTERED_SECONDS:
            return
        silent = {thing for thing in self._things if not self._responses.get(f"heartbeat/{thing}")}
        if silent - self._registered():
            self._responses[_REGISTERED] = list(self.fleet.registered())
            self._registered_queried_at = now
        elif self._with(FAILED) & set(self._things) - self._registered():
            self._query_nuclei()
            self._registered_queried_at = now

    def _registered(self) -> set[str]:
        """Return the things of the last response about core devices."""
        return {core.thing for core in self._responses.get(_REGISTERED, [])}

    def _query_nuclei(self) -> None:
        self._query("registered", lambda: {"account": list(self.fleet.registered())})

    def _query_devices(self, things: list[str]) -> None:
        """Query optional details of devices; each query can fail independently."""
        self._query("effective", lambda: self.fleet.effective(things, self.deployment.id))
        self._query("installed", lambda: self.fleet.installed(things))

    def _query(self, name: str, query: Callable[[], dict[str, list[Observation]]]) -> None:
        try:
            by_thing = query()
        except (ClientError, BotoCoreError) as error:
            self._errors[name] = str(error)
            logger.warning("the query for details (%s) of devices failed: %s", name, error)
            return
        self._errors.pop(name, None)
        for thing, responses in by_thing.items():
            self._responses[f"{name}/{thing}"] = responses
