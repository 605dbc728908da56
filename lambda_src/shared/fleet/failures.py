"""Failures of a deployment on one device: the reason, and whether a second attempt may succeed.

Nucleus classic reports a cause and a stack of error codes. Nucleus lite reports neither, so the
reason is derived from the states of the components and the camera's heartbeat.
"""

import re
from dataclasses import dataclass

from shared.fleet.device_state import (
    LITE,
    DeviceState,
    InstalledComponent,
    JobExecution,
    ReceivedHeartbeat,
)

# Error codes after which a second attempt may succeed, if the code is the most specific code of a
# failure. NETWORK_ERROR is also the code of a device without credentials. ARTIFACT_DOWNLOAD_ERROR
# is the most specific code only if the nucleus does not recognize the cause. Sources: AWS IoT
# Greengrass V2 Developer Guide, "Detailed deployment error codes"; the nucleus'
# `DeploymentErrorCode` and `DeploymentErrorCodeUtils`.
TRANSIENT_CODES = frozenset(
    {
        "ARTIFACT_DOWNLOAD_ERROR",
        "CREDENTIAL_ENDPOINT_AUTH_FAILURE",
        "CREDENTIAL_ENDPOINT_SERVER_ERROR",
        "DOWNLOAD_DEPLOYMENT_DOCUMENT_ERROR",
        "DOWNLOAD_GREENGRASS_ARTIFACT_ERROR",
        "GET_GREENGRASS_ARTIFACT_SIZE_ERROR",
        "HTTP_REQUEST_ERROR",
        "MQTT_CONNECTION_FAILED",
        "NETWORK_ERROR",
        "S3_SERVER_ERROR",
        "SERVER_ERROR",
        "THROTTLING_ERROR",
        "TLS_HANDSHAKE_FAILURE",
    }
)

# Time after a job's failure in which the reports of its cause can still arrive.
_DETAILS_SECONDS = 5.0
_BROKEN = frozenset({"BROKEN", "ERRORED"})
# Matches a detailed status, such as FAILED_ROLLBACK_NOT_REQUESTED, which is not a cause.
_STATUS_CODE = re.compile(r"[A-Z_]+")


@dataclass(frozen=True)
class Failure:
    """The failure of a deployment on a device.

    Attributes:
        reason: a sentence about the cause.
        error_stack: Greengrass' error codes, the most general first.
        component: the broken component, or an empty string.
        is_unclear: the device has not reported a cause yet, but may still report it.
        is_transient: a second attempt may succeed; the device probably lacked credentials or a
            connection.
    """

    reason: str
    error_stack: tuple[str, ...] = ()
    component: str = ""
    is_unclear: bool = False
    is_transient: bool = False


def failure_of(
    execution: JobExecution, device: DeviceState, components: frozenset[tuple[str, str]], now: float
) -> Failure:
    """Return the failure of a job execution; the result depends only on the arguments.

    Args:
        execution: the failed execution of the deployment on this device.
        device: the state of the device.
        components: names and versions of the deployment's components; if empty, any component of
            the device can be the cause.
        now: seconds since the epoch.
    """
    broken = next((entry for entry in device.installed if _is_broken(entry, components)), None)
    has_cause = bool(execution.reason) and not _STATUS_CODE.fullmatch(execution.reason)
    is_explained = has_cause or bool(execution.error_stack) or broken is not None
    is_recent = now < execution.at + _DETAILS_SECONDS
    return Failure(
        reason=f"deployment {execution.status}: {_cause(execution, device, broken, has_cause)}",
        error_stack=execution.error_stack,
        component=broken.component if broken else "",
        is_unclear=execution.status == "FAILED" and not is_explained and is_recent,
        is_transient=execution.status == "FAILED"
        and (
            execution.error_stack[-1] in TRANSIENT_CODES
            if execution.error_stack
            else device.runtime == LITE and not is_explained and not is_recent
        ),
    )


def _is_broken(installed: InstalledComponent, components: frozenset[tuple[str, str]]) -> bool:
    is_deployed = not components or (installed.component, installed.version) in components
    return is_deployed and installed.state in _BROKEN


def _cause(
    execution: JobExecution,
    device: DeviceState,
    broken: InstalledComponent | None,
    has_cause: bool,  # noqa: FBT001 - the caller has already computed it
) -> str:
    if has_cause:
        return execution.reason
    parts = [execution.reason or "no reason given"]
    if device.runtime == LITE:
        parts.append("nucleus lite reports no cause")
    if broken:
        detail = f": {broken.detail}" if broken.detail else ""
        parts.append(f"{broken.component} {broken.version} is {broken.state}{detail}")
    elif device.runtime == LITE:
        parts.append(
            "no component of it is broken, so it was not resolved, downloaded or installed in time"
        )
        if device.heartbeat and device.heartbeat.disk_free_bytes is not None:
            parts.append(f"{device.heartbeat.disk_free_bytes >> 20} MiB of disk were free")
    if device.runtime == LITE and (error := _camera_error(device.heartbeat, execution)):
        parts.append(error)
    return "; ".join(parts)


def _camera_error(heartbeat: ReceivedHeartbeat | None, execution: JobExecution) -> str:
    """Return a phrase with the camera's status and last error, or an empty string.

    The string is empty if no heartbeat has arrived since the deployment was queued, or if the last
    heartbeat contains no error.
    """
    if heartbeat is None or not heartbeat.last_error or heartbeat.received_at < execution.queued_at:
        return ""
    return f"the camera is {heartbeat.status}, last error: {heartbeat.last_error}"
