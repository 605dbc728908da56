"""Greengrass' IoT jobs on the device: pending deployments, and reports of their status."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from local_aws.core_device.connection import Connection
from local_aws.core_device.nucleus import Nucleus
from local_aws.devices.job_topics import NEXT, job_topic, next_job_topic

_OPEN = {"QUEUED", "IN_PROGRESS"}


@dataclass(frozen=True)
class JobExecution:
    """One execution of a job on this device."""

    id: str
    number: int
    document: dict[str, Any]


class JobQueue:
    """The device's queue of IoT jobs in Greengrass' namespace."""

    def __init__(
        self,
        connection: Connection,
        thing: str,
        nucleus: Nucleus,
        on_loop: Callable[..., None],
    ) -> None:
        """Set up the queue; `on_loop(call, *arguments)` runs a function on the event loop."""
        self._connection = connection
        self._thing = thing
        self._nucleus = nucleus
        self._on_loop = on_loop
        self._executions: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        # The id and number of the last completed execution; `next` ignores a repeated notification.
        self._done: tuple[str, int] | None = None

    def listen(self) -> None:
        """Subscribe to notifications and request the pending job; the call blocks."""

        def receive(topic: str, message: dict[str, Any]) -> None:
            if not topic.endswith("/rejected"):
                self._on_loop(self._executions.put_nowait, message.get("execution") or {})

        self._connection.subscribe(next_job_topic(self._thing), receive)
        replies = f"{job_topic(self._thing, NEXT, 'get')}/{self._nucleus.job_replies}"
        self._connection.subscribe(replies, receive)
        self._request().result()

    def reconnected(self) -> None:
        """Request a job whose notification was lost during an outage."""
        self._done = None
        self._request()

    async def next(self) -> JobExecution:
        """Wait for the next job; a newer job replaces pending ones."""
        while True:
            execution = await self._executions.get()
            while not self._executions.empty():
                execution = self._executions.get_nowait()
            key = (execution.get("jobId", ""), execution.get("executionNumber", 1))
            if key != self._done and execution.get("status") in _OPEN:
                document = execution.get("jobDocument")
                # A document that is not a JSON object fails in the same way as an empty deployment.
                return JobExecution(*key, document if isinstance(document, dict) else {})

    async def began(self, job: JobExecution) -> None:
        """Report that a job is in progress."""
        await self._update(job, "IN_PROGRESS", {})

    async def ended(self, job: JobExecution, status: str, details: Mapping[str, str]) -> None:
        """Report the result of a job, with the details that the nucleus reports."""
        await self._update(job, status, self._nucleus.job_details(details))
        self._done = (job.id, job.number)

    def _request(self) -> Future[Any]:
        message = {
            "jobId": NEXT,
            "thingName": self._thing,
            "includeJobDocument": True,
            "clientToken": f"jobs-nucleus-{self._nucleus.kind}",
        }
        topic = job_topic(self._thing, NEXT, "get")
        return self._connection.publish(topic, json.dumps(message).encode())

    async def _update(self, job: JobExecution, status: str, members: Mapping[str, Any]) -> None:
        message = {"status": status, "clientToken": secrets.token_hex(8), **members}
        topic = job_topic(self._thing, job.id, "update")
        payload = json.dumps(message).encode()
        await asyncio.wrap_future(self._connection.publish(topic, payload))
