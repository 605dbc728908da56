"""Deployments whose target is this device, which the classic nucleus reads from a named shadow.

Source: aws-greengrass-nucleus, ShadowDeploymentListener.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from local_aws.core_device.connection import Connection
from local_aws.core_device.nucleus import Nucleus

Document = dict[str, Any]
Message = dict[str, Any]

_SHADOW = "AWSManagedGreengrassV2Deployment"
_CANCELED, _IN_PROGRESS = "CANCELED", "IN_PROGRESS"


class ShadowDeployments:
    """A reader of deployments from the shadow, which also creates their status reports."""

    def __init__(self, thing: str) -> None:
        self._base = f"$aws/things/{thing}/shadow/name/{_SHADOW}"
        self._version = 0
        self._last: str | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics of the messages that `receive` reads."""
        return f"{self._base}/update/accepted", f"{self._base}/get/accepted"

    @property
    def get_topic(self) -> str:
        """Return the topic on which the device requests the shadow."""
        return f"{self._base}/get"

    def receive(self, message: Message) -> Document | None:
        """Return the deployment in a message about the shadow; None if it is not new.

        Older versions, repetitions and cancellations are ignored. The first deployment after a
        start is also ignored if the shadow contains its result.
        """
        version = int(message.get("version", 0))
        if version < self._version:
            return None
        self._version = version
        state = message.get("state") or {}
        desired, reported = state.get("desired") or {}, state.get("reported") or {}
        document = _document(desired)
        if document is None:
            return None
        arn, is_first = document["configurationArn"], self._last is None
        is_repeated, self._last = arn == self._last, arn
        if is_repeated or desired.get("desiredStatus") in {None, _CANCELED}:
            return None
        is_ended = (
            reported.get("fleetConfigurationArnForStatus") == arn
            and reported.get("status") != _IN_PROGRESS
        )
        return None if is_first and is_ended else document

    def report(
        self, document: Document, status: str, detail: str, cause: str, version: str
    ) -> tuple[str, Message]:
        """Return the topic and message that report a deployment's status.

        Args:
            document: the deployment.
            status: ``IN_PROGRESS``, ``SUCCEEDED`` or ``FAILED``, as for a job.
            detail: the detailed status, such as ``SUCCESSFUL``.
            cause: the cause of a failure; empty without a failure.
            version: the version of the nucleus.
        """
        reported = {
            "fleetConfigurationArnForStatus": document["configurationArn"],
            "status": status,
            "statusDetails": {"detailedStatus": detail or None, "failureCause": cause or None},
            "ggcVersion": version,
        }
        return f"{self._base}/update", {"state": {"reported": reported}}


class ShadowQueue:
    """The queue of deployments from the shadow; empty if the nucleus does not read the shadow."""

    def __init__(
        self,
        connection: Connection,
        thing: str,
        nucleus: Nucleus,
        on_loop: Callable[..., None],
    ) -> None:
        """Set up the queue; `on_loop(call, *arguments)` runs a function on the event loop."""
        self._connection = connection
        self._nucleus = nucleus
        self._on_loop = on_loop
        self._shadow = ShadowDeployments(thing)
        self._documents: asyncio.Queue[Document] = asyncio.Queue()

    def listen(self) -> None:
        """Subscribe to the shadow and request its content; the call blocks."""
        if self._nucleus.reads_deployment_shadow:
            for topic in self._shadow.topics:
                self._connection.subscribe(
                    topic, lambda _, message: self._on_loop(self._receive, message)
                )
            self._connection.publish(self._shadow.get_topic, b"{}").result()

    def reconnected(self) -> None:
        """Request the shadow, because it may have changed during the outage."""
        if self._nucleus.reads_deployment_shadow:
            self._connection.publish(self._shadow.get_topic, b"{}")

    async def next(self) -> Document:
        """Wait for the next deployment; a newer deployment replaces pending ones."""
        document = await self._documents.get()
        while not self._documents.empty():
            document = self._documents.get_nowait()
        return document

    async def report(self, document: Document, status: str, details: Mapping[str, str]) -> None:
        """Report the status of a deployment; `details` has the same keys as for a job."""
        detail = details.get("detailed-deployment-status", "")
        cause = details.get("deployment-failure-cause", "")
        topic, message = self._shadow.report(document, status, detail, cause, self._nucleus.version)
        payload = json.dumps(message).encode()
        await asyncio.wrap_future(self._connection.publish(topic, payload))

    def _receive(self, message: Message) -> None:
        document = self._shadow.receive(message)
        if document is not None:
            self._documents.put_nowait(document)


def _document(desired: Message) -> Document | None:
    """Return the deployment document in a desired state; None if it contains no valid document."""
    try:
        document = json.loads(desired.get("fleetConfig") or "null")
    except (ValueError, TypeError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("configurationArn"), str):
        return None
    return document
