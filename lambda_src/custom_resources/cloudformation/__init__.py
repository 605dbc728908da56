"""The custom resource protocol: whatever happens, CloudFormation gets exactly one answer.

Source: AWS CloudFormation User Guide, "Custom resource request and response reference".
"""

import json
import logging
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

import boto3

from shared.printable import printable

logger = logging.getLogger()
logger.setLevel(logging.INFO)

# CloudFormation rejects a longer response.
_LIMIT_BYTES = 4096
# In JSON: two escapes, such as those of an emoji.
_MOST_BYTES_PER_CHARACTER = 12

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
class ResourceRequest:
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
class ResourceResult:
    """What CloudFormation is told: the physical id, and the attributes for `Fn::GetAtt`."""

    physical_id: str
    attributes: dict[str, str] = field(default_factory=dict)


def is_rolling_back(request: ResourceRequest) -> bool:
    """Return whether CloudFormation is rolling the request's stack back."""
    stack = request.owner.rpartition("/")[0]
    (found,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return "ROLLBACK" in found["StackStatus"]


def custom_resource(
    handle: Callable[[ResourceRequest], ResourceResult],
) -> Callable[[dict[str, Any], Any], None]:
    """Make a Lambda handler of `handle`: every outcome, an exception too, becomes an answer."""

    def lambda_handler(event: dict[str, Any], context: Any) -> None:
        physical_id = event.get("PhysicalResourceId")
        logger.info("%s %s", event["RequestType"], event["LogicalResourceId"])
        request = ResourceRequest(
            type=event["RequestType"],
            properties=event["ResourceProperties"],
            physical_id=physical_id,
            remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000,
            id=event["RequestId"],
            owner=f"{event['StackId']}/{event['LogicalResourceId']}",
            old_properties=event.get("OldResourceProperties", {}),
        )
        if request.type == "Delete" and physical_id == NOTHING_CREATED:
            _answer(event, "SUCCESS", ResourceResult(NOTHING_CREATED))
            return
        try:
            result = handle(request)
        except ResourceFailed as failure:
            known = physical_id or failure.physical_id or NOTHING_CREATED
            _answer(event, "FAILED", ResourceResult(known), str(failure))
        except Exception as error:
            # The stack must not wait an hour for an answer that never comes.
            logger.exception("unexpected failure")
            reason = f"{type(error).__name__}: {error} (details: log group of this function)"
            _answer(event, "FAILED", ResourceResult(physical_id or NOTHING_CREATED), reason)
        else:
            _answer(event, "SUCCESS", result)

    return lambda_handler


def _answer(event: dict[str, Any], status: str, result: ResourceResult, reason: str = "") -> None:
    # The reason may contain a device's text, and CDK prints it to a terminal.
    reason = printable(reason, lines=True)
    if reason:
        logger.error("%s", reason)
    body = {
        "Status": status,
        "Reason": reason,
        "PhysicalResourceId": result.physical_id,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": result.attributes,
    }
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own pre-signed address
        event["ResponseURL"],
        data=_within_limit(body),
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


def _within_limit(body: dict[str, Any]) -> bytes:
    """Return the response as JSON; its longest texts are cut until CloudFormation accepts it."""
    body = {**body, "Data": dict(body["Data"])}
    while (excess := len(content := json.dumps(body).encode()) - _LIMIT_BYTES) > 0:
        texts = [(body, "Reason"), *((body["Data"], name) for name in body["Data"])]
        where, name = max(texts, key=lambda text: len(text[0][text[1]]))
        if not where[name]:
            break
        where[name] = where[name][: -math.ceil(excess / _MOST_BYTES_PER_CHARACTER)]
    return content
