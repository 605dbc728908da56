"""Wait for the devices' own word: observe, judge, say what changed, again."""

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
# One round for a large fleet is many calls, and the quotas are those of the account.
_PAUSE_PER_THING_SECONDS = 0.008
_LONGEST_PAUSE_OF_ALL_SECONDS = 15.0
# The list of core devices is that of the account, not of the fleet.
_PAUSE_OF_JOINED_SECONDS = 10.0
# The name of the query's answers, for all things at once.
_JOINED = "joined/account"


@dataclass(frozen=True)
class MonitorResult:
    """The result of a wait.

    Attributes:
        stopped: the reason if another operation ended it, otherwise empty.
        unanswered: the last error of each query about the devices that got no answer.
    """

    gate: GateResult
    stopped: str = ""
    unanswered: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the release may stay."""
        return not self.stopped and self.gate.state == "passed"


@dataclass
class RolloutMonitor:
    """Observes one deployment on the devices of one thing group."""

    fleet: FleetQueries
    thing_group: str
    deployment: Deployment
    # Looks the deployment up again.
    refreshed: Callable[[], Deployment]
    _answers: dict[str, list[Observation]] = field(default_factory=dict)
    # When each thing was asked for its heartbeat; seconds since the epoch.
    _asked_at: dict[str, float] = field(default_factory=dict)
    # When the account was asked for its core devices; seconds since the epoch.
    _joined_at: float = 0.0
    _settled: frozenset[str] = frozenset()
    _things: list[str] = field(default_factory=list)
    # Whether every question was answered at least once: before, nothing is known of anybody.
    _has_news: bool = False
    # When the last query began: the result on its answers is for this time, not a later one.
    _looked_at: float = 0.0
    # The last error of each query that has had no answer since.
    _errors: dict[str, str] = field(default_factory=dict)

    def wait(
        self, target: RolloutTarget, rule: GateRule, bake_seconds: float = 0.0
    ) -> MonitorResult:
        """Look until the result stands, and stands `bake_seconds` longer if it is good."""
        pause = _FIRST_PAUSE_SECONDS
        baked_at: float | None = None
        said = ""
        while True:
            self._looked_at = time.time()
            if reason := self._observe(is_last=self._looked_at >= target.deadline):
                return MonitorResult(self._judge(target, rule), reason)
            if not self._has_news and self._looked_at < target.deadline:
                pause = self._rest(pause, target.deadline)
                continue
            result = self._judge(target, rule)
            if not self._has_news:
                error = self._errors["fleet"]
                reason = f"AWS did not answer the queries about the fleet in time: {error}"
                return MonitorResult(result, reason)
            self._settled = frozenset(one.thing for one in result.with_outcome("good"))
            sentence = summarize(result)
            if sentence != said:
                logger.info("%s", sentence)
                said = sentence
            now = time.time()
            if result.state == "retry":
                return MonitorResult(result)
            if result.state == "failed":
                self._ask_why(result)
                return MonitorResult(
                    self._judge(target, rule), unanswered=tuple(sorted(set(self._errors.values())))
                )
            if result.state == "passed":
                baked_at = baked_at or now + bake_seconds
                if now >= baked_at:
                    return MonitorResult(result)
                # While it bakes, devices that were good may cease to be.
                self._settled = frozenset()
                pause = self._rest(pause, baked_at)
                continue
            pause = self._rest(pause, target.deadline)

    def _rest(self, pause: float, ends_at: float) -> float:
        """Sleep until the next round; return the longer pause that follows it.

        Environments of one account that deploy together must not query it at the same moments.
        """
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - it spreads calls, and protects nothing
        time.sleep(min(pause * jitter, max(ends_at - time.time(), _FIRST_PAUSE_SECONDS)))
        longest = min(
            max(_LONGEST_PAUSE_SECONDS, len(self._things) * _PAUSE_PER_THING_SECONDS),
            _LONGEST_PAUSE_OF_ALL_SECONDS,
        )
        return min(pause * 1.5, longest)

    def _judge(self, target: RolloutTarget, rule: GateRule) -> GateResult:
        everything = [one for answer in self._answers.values() for one in answer]
        return evaluate_gate(target, rule, self._things, everything, self._looked_at)

    def _observe(self, *, is_last: bool) -> str:
        """Query the status again; return why the deployment was ended, if it was.

        If a query fails, because of throttling for example, its last answer stays. The last call
        queries every device that is not good: a device can run the release although its job has
        not finished.
        """
        try:
            deployment = self.refreshed()
            if not deployment.is_live:
                said = deployment.tags.get(STOPPED_TAG, "another deployment took its place")
                return f"the deployment is {deployment.status}: {said}"
            self._things = self.fleet.things(self.thing_group)
            executions = self.fleet.job_executions(deployment.job_id, deployment.id)
            self._answers["job"] = list(executions)
            done = self._done()
            now = time.time()
            unsettled = set(self._things) - self._settled if is_last else set()
            things = [
                one for one in self._things if one in unsettled or self._needs_news(one, done, now)
            ]
            for thing, answer in self.fleet.heartbeats(things).items():
                self._answers[f"heartbeat/{thing}"] = answer
                self._asked_at[thing] = now
            self._ask_who_joined(now, is_last=is_last)
            self._ask_devices(self._worth_asking())
            self._has_news = True
            self._errors.pop("fleet", None)
        except (ClientError, BotoCoreError) as error:
            self._errors["fleet"] = str(error)
            logger.warning("no news: %s", error)
        return ""

    def _needs_news(self, thing: str, done: set[str], now: float) -> bool:
        """Whether to ask for a heartbeat: often only where the result waits for it.

        Elsewhere it says that the camera is alive, which it does until it would count as silent.
        """
        if thing in done and thing not in self._settled:
            return True
        last = next(iter(self._answers.get(f"heartbeat/{thing}", [])), None)
        patience = _LONGEST_PAUSE_SECONDS
        if isinstance(last, ReceivedHeartbeat):
            if now - last.received_at <= last.silence_seconds / 2:
                return False
            patience = min(patience, last.silence_seconds / 2)
        return now - self._asked_at.get(thing, 0.0) >= patience

    def _worth_asking(self) -> list[str]:
        """Name devices whose own word may differ: done by the job, but not good, or failed."""
        return sorted(self._done() & set(self._things) - self._settled)

    def _done(self) -> set[str]:
        """Name devices on which the job ended."""
        return self._with(SUCCEEDED | FAILED)

    def _with(self, statuses: frozenset[str]) -> set[str]:
        """Name devices whose job has one of the statuses."""
        return {
            one.thing
            for one in self._answers["job"]
            if isinstance(one, JobExecution) and one.status in statuses
        }

    def _ask_why(self, result: GateResult) -> None:
        """Query the reasons of failures, and the nuclei; the result does not need them."""
        things = [
            one.thing for one in (*result.with_outcome("failed"), *result.with_outcome("waiting"))
        ]
        self._ask_devices(things)
        if set(things) - self._registered():
            self._ask_nuclei()

    def _ask_who_joined(self, now: float, *, is_last: bool) -> None:
        """Query core devices while some member has neither sent a heartbeat nor joined.

        ListCoreDevices with a thing group lists only devices that a deployment to that group
        succeeded on, so it does not answer which members were ever connected. Of a member whose
        deployment failed, the nucleus is a detail that no result requires.
        """
        if not is_last and now - self._joined_at < _PAUSE_OF_JOINED_SECONDS:
            return
        silent = {thing for thing in self._things if not self._answers.get(f"heartbeat/{thing}")}
        if silent - self._registered():
            self._answers[_JOINED] = list(self.fleet.registered())
            self._joined_at = now
        elif self._with(FAILED) & set(self._things) - self._registered():
            self._ask_nuclei()
            self._joined_at = now

    def _registered(self) -> set[str]:
        """Name devices that are known as core devices."""
        return {core.thing for core in self._answers.get(_JOINED, [])}

    def _ask_nuclei(self) -> None:
        self._ask("joined", lambda: {"account": list(self.fleet.registered())})

    def _ask_devices(self, things: list[str]) -> None:
        """Query details of devices; each query is independent, and none is required."""
        self._ask("effective", lambda: self.fleet.effective(things, self.deployment.id))
        self._ask("installed", lambda: self.fleet.installed(things))

    def _ask(self, name: str, query: Callable[[], dict[str, list[Observation]]]) -> None:
        try:
            answers = query()
        except (ClientError, BotoCoreError) as error:
            self._errors[name] = str(error)
            logger.warning("no details (%s) of devices: %s", name, error)
            return
        self._errors.pop(name, None)
        for thing, answer in answers.items():
            self._answers[f"{name}/{thing}"] = answer
