"""Wait for the cameras' own word, and put the outcome into a sentence."""

import logging
import time
from dataclasses import dataclass, field

from deeplens_project.fleet import Fleet, Heartbeat

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
# A core that is connected takes its job within seconds, whatever its camera does.
_TO_TAKE_A_JOB_SECONDS = 15.0
_SUCCEEDED = {"SUCCEEDED", "COMPLETED"}
_FAILED = {"FAILED", "REJECTED", "TIMED_OUT", "CANCELED"}


@dataclass(frozen=True)
class Goal:
    """What a camera must report; with no model, that it finished the deployment is enough."""

    deployment_id: str
    model_digest: str | None
    function_arn: str | None
    # The deployment was made for this request: cores that are connected are about to take it.
    is_new: bool = True


@dataclass
class Verdict:
    """Where each camera of the fleet stands; `waiting` and `broken` map a name to the reason."""

    good: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    offline: list[str] = field(default_factory=list)
    # Not heard of yet, and still given time.
    expected: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether a camera that can be reached did not get there."""
        return bool(self.broken or self.waiting)

    def explain(self) -> str:
        """Say it in one sentence per group of cameras."""
        if not (self.good or self.waiting or self.broken or self.offline):
            return "the fleet has no device yet; one takes this deployment when it joins"
        parts = [f"{len(self.good)} of {self._reachable()} reachable devices run the release"]
        parts += [f"{name} failed: {reason}" for name, reason in self.broken.items()]
        parts += [f"{name} did not get there: {why}" for name, why in self.waiting.items()]
        if self.offline:
            names = ", ".join(self.offline[:10])
            parts.append(f"{len(self.offline)} offline ({names}); they take it when they are back")
        return "; ".join(parts)

    def _reachable(self) -> int:
        return len(self.good) + len(self.waiting) + len(self.broken)


def wait_for(cameras: Fleet, goal: Goal, seconds: float) -> Verdict:
    """Look at the fleet until every reachable camera is good, one is broken, or time is up."""
    started_at = time.time()
    give_up_at = time.monotonic() + seconds
    pause = _FIRST_PAUSE_SECONDS
    reachable: set[str] = set()
    said = ""
    while True:
        verdict = _look(cameras, goal, started_at, reachable)
        sentence = verdict.explain()
        if sentence != said:
            logger.info("%s", sentence)
            said = sentence
        is_open = bool(verdict.waiting or verdict.expected)
        if verdict.broken or not is_open or time.monotonic() + pause > give_up_at:
            verdict.offline = sorted([*verdict.offline, *verdict.expected])
            return verdict
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def _look(cameras: Fleet, goal: Goal, started_at: float, reachable: set[str]) -> Verdict:
    """Judge every camera once; one that gave a sign of life counts for the whole wait.

    A sign is a heartbeat, or that the core works on the deployment: a core whose camera never
    started is no less reachable.
    """
    verdict = Verdict()
    may_take_it = goal.is_new and time.time() < started_at + _TO_TAKE_A_JOB_SECONDS
    for thing in cameras.things():
        heartbeat = cameras.heartbeat(thing)
        execution = cameras.execution(thing, goal.deployment_id)
        is_at_work = execution is not None and execution.modified_at >= started_at - 1
        if is_at_work or (heartbeat and heartbeat.is_alive(time.time())):
            reachable.add(thing)
        if thing not in reachable:
            if may_take_it and cameras.is_core_device(thing):
                verdict.expected.append(thing)
            else:
                verdict.offline.append(thing)
            continue
        status = execution.status if execution else "not taken yet"
        if execution and status in _FAILED:
            verdict.broken[thing] = f"deployment {status}: {execution.reason or 'no reason given'}"
        elif status not in _SUCCEEDED:
            verdict.waiting[thing] = f"the deployment is {status}"
        elif missing := _missing(goal, heartbeat, started_at):
            verdict.waiting[thing] = missing
        else:
            verdict.good.append(thing)
    return verdict


def _missing(goal: Goal, heartbeat: Heartbeat | None, started_at: float) -> str | None:
    """Say what the heartbeat does not show yet, or None when it shows all."""
    if goal.model_digest is None:
        return None
    if heartbeat is None or heartbeat.received_at < started_at - 1:
        return "no heartbeat since the deployment"
    if heartbeat.model_digest != goal.model_digest:
        return f"its heartbeat names model {heartbeat.model_digest}, not {goal.model_digest}"
    if heartbeat.function_arn != goal.function_arn:
        return f"its heartbeat names function {heartbeat.function_arn}, not {goal.function_arn}"
    if heartbeat.frames == 0 or heartbeat.status != "running":
        return f"it is {heartbeat.status}, without a frame; last error: {heartbeat.last_error}"
    return None
