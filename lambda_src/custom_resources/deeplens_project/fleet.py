"""What the cloud knows of each camera: its heartbeat, and how far a deployment came on it."""

import json
from dataclasses import dataclass
from typing import Any

# A camera that missed this many heartbeats in a row is not reachable.
_MISSED_HEARTBEATS = 3


@dataclass(frozen=True)
class Heartbeat:
    """The reported state of the thing's named shadow `deeplens`."""

    model_digest: str | None
    function_arn: str | None
    status: str
    frames: int
    last_error: str | None
    interval_seconds: float
    # When the cloud received it, seconds since the epoch, by the cloud's clock.
    received_at: float

    def is_alive(self, now: float) -> bool:
        """Whether the camera still reports, as far as its own interval lets one say."""
        age_seconds = now - self.received_at
        return self.status != "stopped" and age_seconds < _MISSED_HEARTBEATS * max(
            self.interval_seconds, 1.0
        )


@dataclass(frozen=True)
class Execution:
    """One core device's execution of one deployment."""

    status: str
    reason: str
    # Seconds since the epoch, by the cloud's clock.
    modified_at: float = 0.0


@dataclass(frozen=True)
class Fleet:
    """The members of one thing group, through AWS' own clients."""

    iot: Any
    iot_data: Any
    greengrass: Any
    thing_group: str

    def things(self) -> list[str]:
        """Names of the thing group's members."""
        pages = self.iot.get_paginator("list_things_in_thing_group").paginate(
            thingGroupName=self.thing_group, recursive=True
        )
        return sorted(name for page in pages for name in page["things"])

    def heartbeat(self, thing: str) -> Heartbeat | None:
        """Return the camera's last heartbeat, or None if it never sent one."""
        try:
            answer = self.iot_data.get_thing_shadow(thingName=thing, shadowName="deeplens")
        except self.iot_data.exceptions.ResourceNotFoundException:
            return None
        document = json.loads(answer["payload"].read())
        reported = document.get("state", {}).get("reported")
        if not reported:
            return None
        error = reported.get("last_error")
        return Heartbeat(
            model_digest=(reported.get("model") or {}).get("digest"),
            function_arn=reported.get("function"),
            status=reported.get("status", "unknown"),
            frames=int(reported.get("frames", 0)),
            last_error=error.get("message") if isinstance(error, dict) else None,
            interval_seconds=float(reported.get("heartbeat_interval_seconds", 60)),
            received_at=_received_at(document),
        )

    def is_core_device(self, thing: str) -> bool:
        """Whether Greengrass ever heard of this thing as a core device."""
        try:
            self.greengrass.get_core_device(coreDeviceThingName=thing)
        except self.greengrass.exceptions.ResourceNotFoundException:
            return False
        return True

    def execution(self, thing: str, deployment_id: str) -> Execution | None:
        """Return how far the deployment came on this core, or None if the core took none yet."""
        try:
            pages = self.greengrass.get_paginator("list_effective_deployments").paginate(
                coreDeviceThingName=thing
            )
            for page in pages:
                for item in page["effectiveDeployments"]:
                    if item["deploymentId"] == deployment_id:
                        return _execution(item)
        except self.greengrass.exceptions.ResourceNotFoundException:
            return None
        return None


def _execution(item: dict[str, Any]) -> Execution:
    details = item.get("statusDetails") or {}
    reasons = [item.get("reason", ""), *details.get("errorStack", [])]
    return Execution(
        item["coreDeviceExecutionStatus"],
        "; ".join(text for text in reasons if text),
        item["modifiedTimestamp"].timestamp(),
    )


def _received_at(document: dict[str, Any]) -> float:
    stamps = document.get("metadata", {}).get("reported", {}).get("heartbeat_at", {})
    return float(stamps.get("timestamp") or 0.0)
