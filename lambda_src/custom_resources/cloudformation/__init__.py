"""The custom resource protocol: each request has exactly one response.

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

# The maximum size of a response; CloudFormation rejects larger responses.
_LIMIT_BYTES = 4096
# The maximum size of a character in JSON: an emoji, for example, becomes two escape sequences of
# six bytes.
_MAX_BYTES_PER_CHARACTER = 12

_TIMEOUT_SECONDS = 6.0
_PAUSES_SECONDS = (0.5, 2.0)

# The physical id in the response to a Create that failed without a physical id; the Delete request
# contains this id.
NOTHING_CREATED = "nothing-was-created"


class ResourceFailed(Exception):  # noqa: N818 - FAILED is CloudFormation's term
    """Raised if the request fails; the message is the reason in the stack's events.

    Attributes:
        physical_id: id of the parts that a failed Create has created, with which CloudFormation
            requests their deletion; None if nothing was created.
    """

    def __init__(self, text: str, physical_id: str | None = None) -> None:
        super().__init__(text)
        self.physical_id = physical_id


@dataclass(frozen=True)
class ResourceRequest:
    """A request of CloudFormation, with the properties from the template."""

    type: str
    properties: dict[str, Any]
    physical_id: str | None
    # A function that returns the seconds until Lambda ends this invocation.
    remaining_seconds: Callable[[], float]
    # The request's id, which remains the same if Lambda retries the request.
    id: str = ""
    # The stack's ARN, a slash, and the resource's logical id.
    owner: str = ""
    # The properties before an Update; empty for other requests.
    old_properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ResourceResult:
    """The physical id of a resource, and its attributes for `Fn::GetAtt`."""

    physical_id: str
    attributes: dict[str, str] = field(default_factory=dict)


def is_rolling_back(request: ResourceRequest) -> bool:
    """Return whether CloudFormation is rolling back the request's stack."""
    stack = request.owner.rpartition("/")[0]
    (description,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return "ROLLBACK" in description["StackStatus"]


def custom_resource(
    handle: Callable[[ResourceRequest], ResourceResult],
) -> Callable[[dict[str, Any], Any], None]:
    """Return a Lambda handler that sends the result or the error of `handle` to CloudFormation.

    If a Create failed without a physical id, its Delete succeeds without a call of `handle`.
    """

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
            _respond(event, "SUCCESS", ResourceResult(NOTHING_CREATED))
            return
        try:
            result = handle(request)
        except ResourceFailed as failure:
            created_id = physical_id or failure.physical_id or NOTHING_CREATED
            _respond(event, "FAILED", ResourceResult(created_id), str(failure))
        except Exception as error:
            # Without a response, the stack waits for an hour.
            logger.exception("unexpected failure")
            reason = f"{type(error).__name__}: {error} (details: log group of this function)"
            _respond(event, "FAILED", ResourceResult(physical_id or NOTHING_CREATED), reason)
        else:
            _respond(event, "SUCCESS", result)

    return lambda_handler


def _respond(event: dict[str, Any], status: str, result: ResourceResult, reason: str = "") -> None:
    # The reason can contain text from a device, and CDK prints the reason to a terminal, so control
    # characters are escaped.
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
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's presigned URL
        event["ResponseURL"],
        data=_within_limit(body),
        headers={"Content-Type": ""},
        method="PUT",
    )
    for pause_seconds in (*_PAUSES_SECONDS, None):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310 - presigned
                logger.info("responded %s", status)
                return
        except (OSError, HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                # The error contains the response, whose connection must be closed.
                error.close()
            # Without a response, the stack waits for an hour.
            if pause_seconds is None:
                raise
            logger.warning("the response was not sent yet: %s", error)
            time.sleep(pause_seconds)


def _within_limit(body: dict[str, Any]) -> bytes:
    """Return the response as JSON; truncate its reason and attributes to CloudFormation's limit."""
    body = {**body, "Data": dict(body["Data"])}
    while (excess := len(content := json.dumps(body).encode()) - _LIMIT_BYTES) > 0:
        texts = [(body, "Reason"), *((body["Data"], name) for name in body["Data"])]
        container, name = max(texts, key=lambda text: len(text[0][text[1]]))
        if not container[name]:
            break
        container[name] = container[name][: -math.ceil(excess / _MAX_BYTES_PER_CHARACTER)]
    return content
