"""Simulated cores against the emulator, driven by one thread and a few for its calls.

A core of nucleus classic rolls a failed deployment back and reports its cause; one of nucleus lite
does neither, and its camera ends with the failed component.
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

from local_aws.fleet.hazards import Fate

_AT_ONCE = 8
# Jobs of thing groups never end: the emulator has more of them after each rollout of any fleet.
_LOOKS_PER_LOOK_AT_OTHERS = 20
_PAUSE_GROWTH = 1.25
_LONGEST_PAUSE_SECONDS = 0.5

_CRASH = ("simulated: the install step ended with 1", "COMPONENT_UPDATE_ERROR")
_LAST_LINES = {"statusReason": "simulated: ended with 1; last lines: none"}
_NO_NETWORK = ("simulated: no connection to S3", "ARTIFACT_DOWNLOAD_ERROR", "NETWORK_ERROR")


@dataclass(frozen=True)
class Release:
    """What a camera's heartbeat names."""

    model_digest: str
    function_arn: str


@dataclass(frozen=True)
class Clients:
    """boto3 clients of the emulator."""

    iot: Any
    iot_data: Any
    iot_jobs_data: Any


@dataclass
class Core:
    """What one simulated core runs."""

    thing: str
    is_lite: bool = False
    components: dict[str, str] = field(default_factory=dict)
    release: Release | None = None
    frames: int = 0
    is_broken: bool = False
    started_at: float = 0.0
    # The number of deployments that were begun, by the release that `release_of` returned.
    attempts: Counter[Release | None] = field(default_factory=Counter)


class SimulatedFleet:
    """Cores that take jobs, report, and send heartbeats while the fleet is switched on."""

    def __init__(  # noqa: PLR0913 - what the fleet is, and how often it acts
        self,
        clients: Clients,
        things: Iterable[str],
        *,
        release_of: Callable[[dict[str, Any]], Release | None],
        fate_of: Callable[[str, dict[str, Any]], Fate],
        heartbeat_seconds: float = 5.0,
        look_seconds: float = 0.05,
        is_lite: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`release_of` returns the release of a job document, and `fate_of` its effect on a thing.

        `look_seconds` is the pause between two polls for jobs. It grows to half a second while no
        job arrives. `is_lite` returns whether a thing runs nucleus lite.
        """
        self.cores = {thing: Core(thing, is_lite(thing)) for thing in things}
        self._clients = clients
        self._release_of = release_of
        self._fate_of = fate_of
        self._heartbeat_seconds = heartbeat_seconds
        self._look_seconds = look_seconds
        self._looks = itertools.count()
        self._own_jobs: set[str] = set()
        self._jobs_of_others: set[str] = set()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._begun: set[tuple[str, str]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulated-fleet", daemon=True)
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self.errors: list[BaseException] = []

    def __enter__(self) -> Self:
        """Switch the fleet on."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Switch it off, at once."""
        self._stop.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def join(self) -> None:
        """Let every core report for the first time."""
        list(self._pool.map(self._report, self.cores.values()))

    def _run(self) -> None:
        pause, look_at = self._look_seconds, 0.0
        while not self._stop.is_set():
            try:
                if time.monotonic() >= look_at:
                    longest = max(self._look_seconds, _LONGEST_PAUSE_SECONDS)
                    grown = min(_PAUSE_GROWTH * pause, longest)
                    pause = self._look_seconds if self._find_work() else grown
                    look_at = time.monotonic() + pause
                self._do_what_is_due()
            except ClientError as error:
                self.errors.append(error)
            self._stop.wait(self._look_seconds)

    def _find_work(self) -> bool:
        """Begin with what is queued, and return whether there was anything.

        The jobs' lists stand for MQTT's notifications.
        """
        looks_at_others = next(self._looks) % _LOOKS_PER_LOOK_AT_OTHERS == 0
        found = False
        for job in self._clients.iot.list_jobs(status="IN_PROGRESS")["jobs"]:
            job_id = job["jobId"]
            if job_id in self._jobs_of_others and not looks_at_others:
                continue
            new = [
                thing
                for thing in self._queued_things(job_id)
                if thing in self.cores and (job_id, thing) not in self._begun
            ]
            if new:
                found = True
                document = json.loads(self._clients.iot.get_job_document(jobId=job_id)["document"])
                for thing in new:
                    self._begin(job_id, document, self.cores[thing])
        return found

    def _queued_things(self, job_id: str) -> list[str]:
        """Return the things that have not taken a job yet; none if it is a job of other fleets."""
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

    def _begin(self, job_id: str, document: dict[str, Any], core: Core) -> None:
        self._begun.add((job_id, core.thing))
        fate = self._fate_of(core.thing, document)
        if fate.is_offline:
            return
        self._at(0.0, lambda: self._update(job_id, core, "IN_PROGRESS"))
        away = fate.away_seconds if fate.loses_power else 0.0
        self._at(fate.seconds + away, lambda: self._end(job_id, document, core, fate))

    def _end(self, job_id: str, document: dict[str, Any], core: Core, fate: Fate) -> None:
        release = self._release_of(document)
        core.attempts[release] += 1
        lost = core.attempts[release] <= fate.lost_attempts
        failed = lost or fate.outcome == "fails"
        if not failed:
            self._install(core, document, release, fate)
        elif core.is_lite and not lost:
            core.components, core.release = _versions(document), None
            core.is_broken = True
        if fate.outcome == "never finishes":
            self._beat(core, fate.clock_skew_seconds)
            return
        cause = (_NO_NETWORK if lost else _CRASH) if failed else ()
        self._report(core, document, failed=failed)
        self._update(
            job_id, core, "FAILED" if failed else "SUCCEEDED", _status_details(core, cause)
        )
        self._beat(core, fate.clock_skew_seconds)

    @staticmethod
    def _install(core: Core, document: dict[str, Any], release: Release | None, fate: Fate) -> None:
        components = _versions(document)
        # A set that runs already restarts nothing.
        if (components, release) != (core.components, core.release) or core.is_broken:
            core.started_at = time.time()
        core.components, core.release = components, release
        core.is_broken = fate.outcome == "breaks"
        core.frames = int(fate.outcome not in {"no frames", "breaks"})

    def _update(
        self, job_id: str, core: Core, status: str, details: dict[str, str] | None = None
    ) -> None:
        # The job may be cancelled meanwhile: such a device learns of the next one.
        with contextlib.suppress(ClientError):
            self._clients.iot_jobs_data.update_job_execution(
                jobId=job_id, thingName=core.thing, status=status, statusDetails=details or {}
            )

    def _report(
        self, core: Core, document: dict[str, Any] | None = None, *, failed: bool = False
    ) -> None:
        arn = (document or {}).get("configurationArn", "")
        message: dict[str, Any] = {
            "ggcVersion": "2.16.1",
            "platform": "linux",
            "architecture": "amd64",
            # Nucleus classic does not have this field.
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

    def _beat(self, core: Core, skew_seconds: float) -> None:
        """Send a heartbeat now, and the next one in time."""
        release = core.release
        if release is None or core.is_broken:
            return
        core.frames += bool(core.frames)
        now = time.time() + skew_seconds
        reported = {
            "status": "running" if core.frames else "starting",
            "model": {"name": "simulated", "version": "0", "digest": release.model_digest},
            "function": release.function_arn,
            "frames": core.frames,
            "frames_per_second": 2.0 if core.frames else 0.0,
            "last_error": None,
            "started_at": _iso(core.started_at + skew_seconds),
            "heartbeat_at": _iso(now),
            "heartbeat_interval_seconds": self._heartbeat_seconds,
        }
        self._clients.iot_data.update_thing_shadow(
            thingName=core.thing,
            shadowName="deeplens",
            payload=json.dumps({"state": {"reported": reported}}),
        )
        self._at(self._heartbeat_seconds, lambda: self._beat_again(core, release, skew_seconds))

    def _beat_again(self, core: Core, release: Release, skew_seconds: float) -> None:
        if core.release is release:
            self._beat(core, skew_seconds)

    def _at(self, seconds: float, act: Callable[[], None]) -> None:
        with self._lock:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), act))

    def _do_what_is_due(self) -> None:
        due = []
        with self._lock:
            while self._due and self._due[0][0] <= time.monotonic():
                due.append(heapq.heappop(self._due)[2])
        for done in [self._pool.submit(act) for act in due]:
            if error := done.exception():
                self.errors.append(error)


def _versions(document: dict[str, Any]) -> dict[str, str]:
    return {name: component["version"] for name, component in document["components"].items()}


def _detailed_status(core: Core, *, failed: bool) -> dict[str, str]:
    failure = "FAILED_ROLLBACK_NOT_REQUESTED" if core.is_lite else "FAILED_ROLLBACK_COMPLETE"
    return {"detailedStatus": failure if failed else "SUCCESSFUL"}


def _status_details(core: Core, cause: tuple[str, ...]) -> dict[str, str]:
    """Return the details of a job's last update; nucleus lite sends none."""
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
    stamp = datetime.fromtimestamp(seconds, UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")
