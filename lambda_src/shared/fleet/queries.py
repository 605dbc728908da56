"""What the cloud can be asked about each camera, as observations."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.fleet.device_state import (
    InstalledComponent,
    JobExecution,
    Observation,
    ReceivedHeartbeat,
    Registered,
)
from shared.printable import printable

logger = logging.getLogger(__name__)

SHADOW = "deeplens"
_AT_ONCE = 16
_LONGEST_TEXT = 1000
_LARGEST_NUMBER = 2.0**53
_MOST_ERRORS = 20


@dataclass(frozen=True)
class FleetQueries:
    """The members of one thing group, through AWS' own clients."""

    iot: Any
    iot_data: Any
    greengrass: Any

    def things(self, thing_group: str) -> list[str]:
        """Names of a thing group's members, those of groups below it too."""
        pages = self.iot.get_paginator("list_things_in_thing_group").paginate(
            thingGroupName=thing_group, recursive=True
        )
        return sorted(name for page in pages for name in page["things"])

    def registered(self) -> list[Registered]:
        """Every core device that was ever connected."""
        pages = self.greengrass.get_paginator("list_core_devices").paginate()
        return [
            Registered(
                device["coreDeviceThingName"],
                device.get("runtime", ""),
                _seconds(device.get("lastStatusUpdateTimestamp")),
            )
            for page in pages
            for device in page["coreDevices"]
        ]

    def job_executions(self, job_id: str, deployment_id: str) -> Iterator[JobExecution]:
        """How far the deployment came, by IoT's job."""
        pages = self.iot.get_paginator("list_job_executions_for_job").paginate(jobId=job_id)
        for page in pages:
            for item in page["executionSummaries"]:
                summary = item["jobExecutionSummary"]
                yield JobExecution(
                    thing=item["thingArn"].rpartition("/")[2],
                    deployment_id=deployment_id,
                    status=summary["status"],
                    at=_seconds(summary.get("lastUpdatedAt")),
                    queued_at=_seconds(summary.get("queuedAt")),
                    number=int(summary.get("executionNumber", 1)),
                )

    def heartbeats(self, things: Iterable[str]) -> dict[str, list[Observation]]:
        """Return, by thing, the last heartbeat of each camera that ever sent one."""
        return self._each(self.heartbeat, things)

    def effective(self, things: Iterable[str], deployment_id: str) -> dict[str, list[Observation]]:
        """Return, by thing, the deployment's status that Greengrass reports, and its reason."""
        return self._each(lambda thing: self._effective(thing, deployment_id), things)

    def installed(self, things: Iterable[str]) -> dict[str, list[Observation]]:
        """Return, by thing, the components that its core reported."""
        return self._each(self._installed, things)

    def heartbeat(self, thing: str) -> list[Observation]:
        """Return the camera's last heartbeat, if it ever sent one."""
        try:
            answer = self.iot_data.get_thing_shadow(thingName=thing, shadowName=SHADOW)
        except self.iot_data.exceptions.ResourceNotFoundException:
            return []
        found = _heartbeat(thing, json.loads(answer["payload"].read()))
        return [found] if found else []

    def _effective(self, thing: str, deployment_id: str) -> list[Observation]:
        client = self.greengrass
        try:
            answer = client.list_effective_deployments(coreDeviceThingName=thing)
        except client.exceptions.ResourceNotFoundException:
            return []
        return [
            _execution(thing, item)
            for item in answer["effectiveDeployments"]
            if item["deploymentId"] == deployment_id
        ]

    def _installed(self, thing: str) -> list[Observation]:
        client = self.greengrass
        pages = client.get_paginator("list_installed_components").paginate(
            coreDeviceThingName=thing, topologyFilter="ALL"
        )
        try:
            items = [item for page in pages for item in page["installedComponents"]]
        except client.exceptions.ResourceNotFoundException:
            return []
        return [_installed(thing, item) for item in items]

    def _each(
        self, ask: Callable[[str], list[Observation]], things: Iterable[str]
    ) -> dict[str, list[Observation]]:
        """Query things in parallel; omit those whose query fails, and raise if all fail."""
        names = list(things)
        answers: dict[str, list[Observation]] = {}
        failure: Exception | None = None
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for name, answer in zip(names, pool.map(partial(_try, ask), names), strict=True):
                if isinstance(answer, Exception):
                    failure = answer
                else:
                    answers[name] = answer
        if failure and not answers:
            raise failure
        if failure:
            logger.warning(
                "%d of %d queries failed: %s", len(names) - len(answers), len(names), failure
            )
        return answers


def _try(
    ask: Callable[[str], list[Observation]], thing: str
) -> list[Observation] | ClientError | BotoCoreError:
    try:
        return ask(thing)
    except (ClientError, BotoCoreError) as error:
        return error


def _heartbeat(thing: str, document: dict[str, Any]) -> ReceivedHeartbeat | None:
    reported = document.get("state", {}).get("reported")
    if not isinstance(reported, dict) or not reported:
        return None
    error = reported.get("last_error")
    model = reported.get("model")
    model = model if isinstance(model, dict) else {}
    stamps = document.get("metadata", {}).get("reported", {}).get("heartbeat_at", {})
    return ReceivedHeartbeat(
        thing=thing,
        received_at=float(stamps.get("timestamp") or 0.0),
        version=int(document.get("version", 0)),
        status=_text(reported.get("status")) or "unknown",
        model_digest=_text(model.get("digest")),
        function_arn=_text(reported.get("function")),
        frames=int(_number(reported.get("frames"))),
        detections=int(_number(reported.get("detections"))),
        frames_per_second=_number(reported.get("frames_per_second")),
        last_error=_text(error.get("message")) if isinstance(error, dict) else None,
        interval_seconds=_number(reported.get("heartbeat_interval_seconds")) or 60,
        uptime_seconds=_span(reported.get("started_at"), reported.get("heartbeat_at")),
        model_version=_text(model.get("version")),
        last_frame_at=_text(reported.get("last_frame_at")),
        disk_free_bytes=_bytes(reported.get("disk"), "free_bytes"),
        memory_available_bytes=_bytes(reported.get("memory"), "available_bytes"),
    )


def _text(value: Any) -> str | None:
    """Return a device's text as it can be printed; None for anything else."""
    return printable(value, longest=_LONGEST_TEXT) if isinstance(value, str) else None


def _number(value: Any) -> float:
    """Return a device's number; 0 for anything that is not a finite, positive one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _LARGEST_NUMBER else 0.0


def _bytes(section: Any, name: str) -> int | None:
    """Return a number of bytes that a device reports; None unless it is a non-negative integer."""
    value = section.get(name) if isinstance(section, dict) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _LARGEST_NUMBER else None


def _execution(thing: str, item: dict[str, Any]) -> JobExecution:
    details = item.get("statusDetails") or {}
    return JobExecution(
        thing=thing,
        deployment_id=item["deploymentId"],
        status=item["coreDeviceExecutionStatus"],
        at=_seconds(item.get("modifiedTimestamp")),
        reason=_text(item.get("reason")) or "",
        error_stack=tuple(_text(one) or "" for one in details.get("errorStack", [])[:_MOST_ERRORS]),
    )


def _installed(thing: str, item: dict[str, Any]) -> InstalledComponent:
    return InstalledComponent(
        thing=thing,
        component=item["componentName"],
        version=item["componentVersion"],
        state=item["lifecycleState"],
        reported_at=_seconds(item.get("lastReportedTimestamp")),
        detail=_text(item.get("lifecycleStateDetails")) or "",
    )


def _seconds(stamp: datetime | None) -> float:
    return stamp.timestamp() if stamp else 0.0


def _span(begin: Any, end: Any) -> float:
    """Seconds between two of the camera's own times; 0 when one is missing or not a time."""
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
    except (TypeError, ValueError):
        return 0.0
