"""Queries about the devices of a fleet, whose responses are converted to observations."""

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
from shared.messages.heartbeat import SHADOW
from shared.printable import printable

logger = logging.getLogger(__name__)

_MAX_PARALLEL_QUERIES = 16
_LONGEST_TEXT = 1000
_MAX_ERRORS = 20


@dataclass(frozen=True)
class FleetQueries:
    """Queries about devices; `iot`, `iot_data` and `greengrass` are boto3 clients.

    Results by thing lack the things whose query failed. If the queries for all things fail, the
    last error is raised.
    """

    iot: Any
    iot_data: Any
    greengrass: Any

    def things(self, thing_group: str) -> list[str]:
        """Return the names of the members of a thing group and of its child groups."""
        pages = self.iot.get_paginator("list_things_in_thing_group").paginate(
            thingGroupName=thing_group, recursive=True
        )
        return sorted(name for page in pages for name in page["things"])

    def registered(self) -> list[Registered]:
        """Return each device of the account that has ever been connected as a core device."""
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
        """Yield the progress of the deployment on each device, from the IoT job."""
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
        """Return the last heartbeat by thing; the list is empty if a camera has sent none."""
        return self._each(self._heartbeat, things)

    def effective(self, things: Iterable[str], deployment_id: str) -> dict[str, list[Observation]]:
        """Return the status, reason and error stack of a deployment by thing, from Greengrass."""
        return self._each(lambda thing: self._effective(thing, deployment_id), things)

    def installed(self, things: Iterable[str]) -> dict[str, list[Observation]]:
        """Return, by thing, the components that the core device reported."""
        return self._each(self._installed, things)

    def last_heartbeat(self, thing: str) -> ReceivedHeartbeat | None:
        """Return the camera's last heartbeat, or None if it has not sent any."""
        try:
            response = self.iot_data.get_thing_shadow(thingName=thing, shadowName=SHADOW)
        except self.iot_data.exceptions.ResourceNotFoundException:
            return None
        document = json.loads(response["payload"].read())
        return ReceivedHeartbeat.from_shadow(thing, document)

    def _heartbeat(self, thing: str) -> list[Observation]:
        heartbeat = self.last_heartbeat(thing)
        return [heartbeat] if heartbeat else []

    def _effective(self, thing: str, deployment_id: str) -> list[Observation]:
        client = self.greengrass
        try:
            response = client.list_effective_deployments(coreDeviceThingName=thing)
        except client.exceptions.ResourceNotFoundException:
            return []
        return [
            _execution(thing, item)
            for item in response["effectiveDeployments"]
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
        self, query: Callable[[str], list[Observation]], things: Iterable[str]
    ) -> dict[str, list[Observation]]:
        """Query things in parallel; return the responses by thing, without failed queries.

        Raises:
            ClientError, BotoCoreError: all queries failed.
        """
        names = list(things)
        responses: dict[str, list[Observation]] = {}
        failure: Exception | None = None
        with ThreadPoolExecutor(_MAX_PARALLEL_QUERIES) as pool:
            for name, response in zip(names, pool.map(partial(_try, query), names), strict=True):
                if isinstance(response, Exception):
                    failure = response
                else:
                    responses[name] = response
        if failure and not responses:
            raise failure
        if failure:
            logger.warning(
                "%d of %d queries failed: %s", len(names) - len(responses), len(names), failure
            )
        return responses


def _try(
    query: Callable[[str], list[Observation]], thing: str
) -> list[Observation] | ClientError | BotoCoreError:
    try:
        return query(thing)
    except (ClientError, BotoCoreError) as error:
        return error


def _text(value: Any) -> str:
    """Return a string, truncated to `_LONGEST_TEXT` characters and escaped; otherwise ""."""
    return printable(value, longest=_LONGEST_TEXT) if isinstance(value, str) else ""


def _execution(thing: str, item: dict[str, Any]) -> JobExecution:
    details = item.get("statusDetails") or {}
    return JobExecution(
        thing=thing,
        deployment_id=item["deploymentId"],
        status=item["coreDeviceExecutionStatus"],
        at=_seconds(item.get("modifiedTimestamp")),
        reason=_text(item.get("reason")),
        error_stack=tuple(map(_text, details.get("errorStack", [])[:_MAX_ERRORS])),
    )


def _installed(thing: str, item: dict[str, Any]) -> InstalledComponent:
    return InstalledComponent(
        thing=thing,
        component=item["componentName"],
        version=item["componentVersion"],
        state=item["lifecycleState"],
        reported_at=_seconds(item.get("lastReportedTimestamp")),
        detail=_text(item.get("lifecycleStateDetails")),
    )


def _seconds(stamp: datetime | None) -> float:
    return stamp.timestamp() if stamp else 0.0
