"""Simulated cores that use the emulator, with one thread and a thread pool for calls.

A core with nucleus classic rolls a failed deployment back and reports the cause. A core with
nucleus lite does neither, and its camera stops with the failed component.
"""

import contextlib
import heapq
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from botocore.exceptions import ClientError

from shared.messages.heartbeat import SHADOW, Heartbeat, ModelIdentity, timestamp
from testkit.simulated_fleet.fault_model import FaultDraw

_MAX_CALLS = 8
# The number of polls for each poll of other fleets' jobs. Jobs of thing groups never end, so such
# jobs accumulate.
_POLLS_PER_POLL_OF_OTHERS = 20
_PAUSE_GROWTH = 1.25
_LONGEST_PAUSE_SECONDS = 0.5

_REPORTED_FIELDS = (
    "status",
    "model",
    "function",
    "frames",
    "frames_per_second",
    "last_error",
    "started_at",
    "heartbeat_at",
    "heartbeat_interval_seconds",
)

_CRASH = ("simulated: the install step ended with 1", "COMPONENT_UPDATE_ERROR")
_LAST_LINES = {"statusReason": "simulated: ended with 1; last lines: none"}
_NO_NETWORK = ("simulated: no connection to S3", "ARTIFACT_DOWNLOAD_ERROR", "NETWORK_ERROR")


@dataclass(frozen=True)
class SimulatedRelease:
    """The release that a camera's heartbeat reports."""

    model_digest: str
    function_arn: str


@dataclass(frozen=True)
class Clients:
    """boto3 clients of the emulator."""

    iot: Any
    iot_data: Any
    iot_jobs_data: Any


@dataclass
class SimulatedCore:
    """The state of one simulated core."""

    thing: str
    is_lite: bool = False
    components: dict[str, str] = field(default_factory=dict)
    release: SimulatedRelease | None = None
    frames: int = 0
    is_broken: bool = False
    started_at: float = 0.0
    # The number of started deployments, by the release that `release_of` returned.
    attempts: Counter[SimulatedRelease | None] = field(default_factory=Counter)


class SimulatedFleet:
    """Cores that carry out jobs and send health messages and heartbeats, within a `with` block."""

    def __init__(  # noqa: PLR0913 - each parameter is a part of the fleet
        self,
        clients: Clients,
        things: Iterable[str],
        *,
        release_of: Callable[[dict[str, Any]], SimulatedRelease | None],
        draw_of: Callable[[str, dict[str, Any]], FaultDraw],
        heartbeat_seconds: float = 5.0,
        poll_seconds: float = 0.05,
        is_lite: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Create the cores; the fleet starts with the `with` block.

        Args:
            clients: boto3 clients of the emulator.
            things: names of the core devices.
            release_of: returns the release of a job document, or None for a document without one.
            draw_of: returns the faults of a thing in the deployment of a job document.
            heartbeat_seconds: interval between two heartbeats, in seconds.
            poll_seconds: seconds between two polls for jobs; grows to 0.5 s without jobs.
            is_lite: returns true if a thing runs nucleus lite.
        """
        self.cores = {thing: SimulatedCore(thing, is_lite(thing)) for thing in things}
        self._clients = clients
        self._release_of = release_of
        self._draw_of = draw_of
        self._heartbeat_seconds = heartbeat_seconds
        self._poll_seconds = poll_seconds
        self._polls = itertools.count()
        self._own_jobs: set[str] = set()
        self._jobs_of_others: set[str] = set()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._started_jobs: set[tuple[str, str]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulated-fleet", daemon=True)
        self._pool = ThreadPoolExecutor(_MAX_CALLS)
        self.errors: list[BaseException] = []

    def __enter__(self) -> Self:
        """Start the fleet."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the fleet immediately."""
        self._stop.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def join(self) -> None:
        """Send the first health message of every core."""
        list(self._pool.map(self._report, self.cores.values()))

    def _run(self) -> None:
        pause, poll_at = self._poll_seconds, 0.0
        while not self._stop.is_set():
            try:
                if time.monotonic() >= poll_at:
                    longest = max(self._poll_seconds, _LONGEST_PAUSE_SECONDS)
                    grown = min(_PAUSE_GROWTH * pause, longest)
                    pause = self._poll_seconds if self._find_work() else grown
                    poll_at = time.monotonic() + pause
                self._run_due_actions()
            except ClientError as error:
                self.errors.append(error)
            self._stop.wait(self._poll_seconds)

    def _find_work(self) -> bool:
        """Start the queued jobs on the fleet's cores; return true if any job was started.

        Polls of the job lists replace the notifications over MQTT.
        """
        includes_others = next(self._polls) % _POLLS_PER_POLL_OF_OTHERS == 0
        has_work = False
        for job in self._clients.iot.list_jobs(status="IN_PROGRESS")["jobs"]:
            job_id = job["jobId"]
            if job_id in self._jobs_of_others and not includes_others:
                continue
            new = [
                thing
                for thing in self._queued_things(job_id)
                if thing in self.cores and (job_id, thing) not in self._started_jobs
            ]
            if new:
                has_work = True
                document = json.loads(self._clients.iot.get_job_document(jobId=job_id)["document"])
                for thing in new:
                    self._begin(job_id, document, self.cores[thing])
        return has_work

    def _queued_things(self, job_id: str) -> list[str]:
        """Return the things on which a job is queued; empty if the job is for other fleets."""
        if job_id not in self._own_jobs:
            things = self._things(job_id)
            if not self.cores.keys().isdisjoint(things):
                self._own_jobs.add(job_id)
                self._jobs_of_others.discard(job_id)
            elif things:
                self._jobs_of_others.add(job_id)
                return []
        return self._things(job_id, status="QUEUED")

    def _things(self, job_id: str, **filters: str) -> list[str]:
        pages = self._clients.iot.get_paginator("list_job_executions_for_job").paginate(
            jobId=job_id, **filters
        )
        return [
            item["thingArn"].rpartition("/")[2]
            for page in pages
            for item in page["executionSummaries"]
        ]

    def _begin(self, job_id: str, document: dict[str, Any], core: SimulatedCore) -> None:
        self._started_jobs.add((job_id, core.thing))
        draw = self._draw_of(core.thing, document)
        if draw.is_offline:
            return
        self._at(0.0, lambda: self._update(job_id, core, "IN_PROGRESS"))
        away = draw.away_seconds if draw.loses_power else 0.0
        self._at(draw.seconds + away, lambda: self._end(job_id, document, core, draw))

    def _end(
        self, job_id: str, document: dict[str, Any], core: SimulatedCore, draw: FaultDraw
    ) -> None:
        release = self._release_of(document)
        core.attempts[release] += 1
        lost = core.attempts[release] <= draw.lost_attempts
        failed = lost or draw.outcome == "fails"
        if not failed:
            self._install(core, document, release, draw)
        elif core.is_lite and not lost:
            core.components, core.release = _versions(document), None
            core.is_broken = True
        if draw.outcome == "never finishes":
            self._beat(core, draw.clock_skew_seconds)
            return
        cause = (_NO_NETWORK if lost else _CRASH) if failed else ()
        self._report(core, document, failed=failed)
        self._update(
            job_id, core, "FAILED" if failed else "SUCCEEDED", _status_details(core, cause)
        )
        self._beat(core, draw.clock_skew_seconds)

    @staticmethod
    def _install(
        core: SimulatedCore,
        document: dict[str, Any],
        release: SimulatedRelease | None,
        draw: FaultDraw,
    ) -> None:
        components = _versions(document)
        # A deployment does not restart components that have not changed.
        if (components, release) != (core.components, core.release) or core.is_broken:
            core.started_at = time.time()
        core.components, core.release = components, release
        core.is_broken = draw.outcome == "breaks"
        core.frames = int(draw.outcome not in {"no frames", "breaks"})

    def _update(
        self, job_id: str, core: SimulatedCore, status: str, details: dict[str, str] | None = None
    ) -> None:
        # A cancelled job cannot be updated, and the device continues with the next one.
        with contextlib.suppress(ClientError):
            self._clients.iot_jobs_data.update_job_execution(
                jobId=job_id, thingName=core.thing, status=status, statusDetails=details or {}
            )

    def _report(
        self, core: SimulatedCore, document: dict[str, Any] | None = None, *, failed: bool = False
    ) -> None:
        arn = (document or {}).get("configurationArn", "")
        message: dict[str, Any] = {
            "ggcVersion": "2.16.1",
            "platform": "linux",
            "architecture": "amd64",
            # Nucleus classic does not report this field.
            **({"runtime": "aws_nucleus_lite"} if core.is_lite else {}),
            "thing": core.thing,
            "overallDeviceStatus": "UNHEALTHY" if core.is_broken else "HEALTHY",
            "timestamp": int(time.time() * 1000),
            "messageType": "COMPLETE",
            "components": [
                {
                    "componentName": name,
                    "version": version,
                    "isRoot": True,
                    "status": "BROKEN" if core.is_broken and "inference" in name else "RUNNING",
                    **({} if core.is_lite else {"componentStatusDetails": _LAST_LINES}),
                }
                for name, version in core.components.items()
            ],
        }
        if document is not None:
            message["deploymentInformation"] = {
                "status": "FAILED" if failed else "SUCCEEDED",
                "fleetConfigurationArnForStatus": arn,
                "statusDetails": _detailed_status(core, failed=failed) if core.is_lite else {},
            }
        self._clients.iot_data.publish(
            topic=f"$aws/things/{core.thing}/greengrassv2/health/json",
            qos=1,
            payload=json.dumps(message),
        )

    def _beat(self, core: SimulatedCore, skew_seconds: float) -> None:
        """If the camera runs, send a heartbeat, and schedule the next one."""
        release = core.release
        if release is None or core.is_broken:
            return
        core.frames += bool(core.frames)
        now = time.time() + skew_seconds
        heartbeat = Heartbeat(
            status="running" if core.frames else "starting",
            model=ModelIdentity("simulated", "0", release.model_digest),
            function=release.function_arn,
            frames=core.frames,
            frames_per_second=2.0 if core.frames else 0.0,
            last_error=None,
            started_at=_iso(core.started_at + skew_seconds),
            heartbeat_at=_iso(now),
            heartbeat_interval_seconds=self._heartbeat_seconds,
        )
        self._clients.iot_data.update_thing_shadow(
            thingName=core.thing,
            shadowName=SHADOW,
            payload=json.dumps(heartbeat.to_shadow(_REPORTED_FIELDS)),
        )
        self._at(self._heartbeat_seconds, lambda: self._beat_again(core, release, skew_seconds))

    def _beat_again(
        self, core: SimulatedCore, release: SimulatedRelease, skew_seconds: float
    ) -> None:
        if core.release is release:
            self._beat(core, skew_seconds)

    def _at(self, seconds: float, action: Callable[[], None]) -> None:
        with self._lock:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), action))

    def _run_due_actions(self) -> None:
        due = []
        with self._lock:
            while self._due and self._due[0][0] <= time.monotonic():
                due.append(heapq.heappop(self._due)[2])
        for future in [self._pool.submit(action) for action in due]:
            if error := future.exception():
                self.errors.append(error)


def _versions(document: dict[str, Any]) -> dict[str, str]:
    return {name: component["version"] for name, component in document["components"].items()}


def _detailed_status(core: SimulatedCore, *, failed: bool) -> dict[str, str]:
    failure = "FAILED_ROLLBACK_NOT_REQUESTED" if core.is_lite else "FAILED_ROLLBACK_COMPLETE"
    return {"detailedStatus": failure if failed else "SUCCESSFUL"}


def _status_details(core: SimulatedCore, cause: tuple[str, ...]) -> dict[str, str]:
    """Return the details of a job's last update; empty for nucleus lite."""
    if core.is_lite:
        return {}
    details = {
        "detailed-deployment-status": _detailed_status(core, failed=bool(cause))["detailedStatus"]
    }
    if cause:
        text, *codes = cause
        details["deployment-failure-cause"] = text
        details["deployment-error-stack"] = json.dumps(["DEPLOYMENT_FAILURE", *codes])
    return details


def _iso(seconds: float) -> str:
    return timestamp(datetime.fromtimestamp(seconds, UTC))
