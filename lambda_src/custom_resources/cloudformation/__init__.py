"""The custom resource protocol: whatever happens, CloudFormation gets exactly one answer.

Source: AWS CloudFormation User Guide, "Custom resource request and response reference".
"""

import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

logger = logging.getLogger()
logger.setLevel(logging.INFO)

# CloudFormation refuses an answer of more than 4096 bytes.
_REASON_LIMIT_CHARACTERS = 2000

_TIMEOUT_SECONDS = 6.0
_PAUSES_SECONDS = (0.5, 2.0)

# What CloudFormation echoes as the physical id when a Create failed before there was one.
NOTHING_CREATED = "nothing-was-created"


class ResourceFailed(Exception):  # noqa: N818 - CloudFormation's word for it is FAILED
    """The resource cannot be brought about; the text is what a person reads in the stack.

    Attributes:
        physical_id: of what is there nevertheless, so that CloudFormation asks for its deletion.
    """

    def __init__(self, text: str, physical_id: str | None = None) -> None:
        super().__init__(text)
        self.physical_id = physical_id


@dataclass(frozen=True)
class Request:
    """One request of CloudFormation's, with the properties as the template has them."""

    type: str
    properties: dict[str, Any]
    physical_id: str | None
    # Seconds that this invocation may still run.
    remaining_seconds: Callable[[], float]
    # The same when Lambda tries the same request again.
    id: str = ""
    # The resource that asks: its stack and its logical id.
    owner: str = ""
    # Before an Update; empty otherwise.
    old_properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What CloudFormation is told: the physical id, and the attributes for `Fn::GetAtt`."""

    physical_id: str
    attributes: dict[str, str] = field(default_factory=dict)


def answering(handle: Callable[[Request], Result]) -> Callable[[dict[str, Any], Any], None]:
    """Make a Lambda handler of `handle`: every outcome, an exception too, becomes an answer."""

    def lambda_handler(event: dict[str, Any], context: Any) -> None:
        physical_id = event.get("PhysicalResourceId")
        logger.info("%s %s", event["RequestType"], event["LogicalResourceId"])
        request = Request(
            type=event["RequestType"],
            properties=event["ResourceProperties"],
            physical_id=physical_id,
            remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000,
            id=event["RequestId"],
            owner=f"{event['StackId']}/{event['LogicalResourceId']}",
            old_properties=event.get("OldResourceProperties", {}),
        )
        if request.type == "Delete" and physical_id == NOTHING_CREATED:
            _answer(event, "SUCCESS", Result(NOTHING_CREATED))
            return
        try:
            result = handle(request)
        except ResourceFailed as failure:
            known = physical_id or failure.physical_id or NOTHING_CREATED
            _answer(event, "FAILED", Result(known), str(failure))
        except Exception as error:
            # The stack must not wait an hour for an answer that never comes.
            logger.exception("unexpected failure")
            reason = f"{type(error).__name__}: {error} (details: log group of this function)"
            _answer(event, "FAILED", Result(physical_id or NOTHING_CREATED), reason)
        else:
            _answer(event, "SUCCESS", result)

    return lambda_handler


def _answer(event: dict[str, Any], status: str, result: Result, reason: str = "") -> None:
    if reason:
        logger.error("%s", reason)
    body = {
        "Status": status,
        "Reason": reason[:_REASON_LIMIT_CHARACTERS],
        "PhysicalResourceId": result.physical_id,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": result.attributes,
    }
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own pre-signed address
        event["ResponseURL"],
        data=json.dumps(body).encode(),
        headers={"Content-Type": ""},
        method="PUT",
    )
    for pause_seconds in (*_PAUSES_SECONDS, None):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310 - as above
                logger.info("answered %s", status)
                return
        except (OSError, HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                # The error is the answer, and holds its connection open.
                error.close()
            # Without an answer the stack waits for an hour.
            if pause_seconds is None:
                raise
            logger.warning("not answered yet: %s", error)
            time.sleep(pause_seconds)
