"""Deployments for this device alone, which the classic nucleus receives as a named shadow.

Source: aws-greengrass-nucleus, ShadowDeploymentListener.
"""

import json
from typing import Any

Document = dict[str, Any]
Message = dict[str, Any]

_SHADOW = "AWSManagedGreengrassV2Deployment"
_CANCELED, _IN_PROGRESS = "CANCELED", "IN_PROGRESS"


class ShadowDeployments:
    """Decides which states of the shadow are new deployments, and writes the reports."""

    def __init__(self, thing: str) -> None:
        self._base = f"$aws/things/{thing}/shadow/name/{_SHADOW}"
        self._version = 0
        self._last: str | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics whose messages `receive` reads."""
        return f"{self._base}/update/accepted", f"{self._base}/get/accepted"

    @property
    def get_topic(self) -> str:
        """The topic on which the shadow is requested: at the start, and after a reconnect."""
        return f"{self._base}/get"

    def receive(self, message: Message) -> Document | None:
        """Return the deployment that a message about the shadow requests, if it is a new one.

        Older versions, repetitions and cancellations are ignored. After a start, so is a
        deployment whose result the shadow contains.
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
        """Return the topic and message that report a deployment's status, as a job has it.

        Args:
            document: the deployment.
            status: ``IN_PROGRESS``, ``SUCCEEDED`` or ``FAILED``.
            detail: the detailed status, such as ``SUCCESSFUL``.
            cause: why it failed; empty if it did not.
            version: the version of the nucleus.
        """
        reported = {
            "fleetConfigurationArnForStatus": document["configurationArn"],
            "status": status,
            "statusDetails": {"detailedStatus": detail or None, "failureCause": cause or None},
            "ggcVersion": version,
        }
        return f"{self._base}/update", {"state": {"reported": reported}}


def _document(desired: Message) -> Document | None:
    """Return the deployment document of a desired state; None if there is none."""
    try:
        document = json.loads(desired.get("fleetConfig") or "null")
    except (ValueError, TypeError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("configurationArn"), str):
        return None
    return document
