"""Messages about a gate's result: the devices, the reasons, and a suggestion."""

from collections import defaultdict
from collections.abc import Iterable

from shared.fleet.device_state import LITE
from shared.fleet.failures import TRANSIENT_CODES
from shared.fleet.gate import DeviceResult, GateResult

_MAX_NAMES = 8
_MAX_REASONS = 4

# Suggestions by Greengrass' error code. The most specific code of a device's error stack that has
# an entry applies.
_SUGGESTIONS = {
    "ARTIFACT_CHECKSUM_MISMATCH": (
        "the object in the bucket differs from the published artifact: publish the artifact again "
        "under its digest, and find out who wrote to the bucket"
    ),
    "ARTIFACT_DOWNLOAD_ERROR": (
        "check that the token exchange role may read the artifact's bucket, that the object "
        "exists, and that the device has a network connection and free disk space"
    ),
    "DISK_SPACE_CRITICAL": (
        "free disk space on the device: `deeplens fleet status ENV --wide` lists it for each camera"
    ),
    "NO_AVAILABLE_COMPONENT_VERSION": (
        "another thing group or component requires another version: list the device's effective "
        "deployments"
    ),
    **dict.fromkeys(
        TRANSIENT_CODES - {"ARTIFACT_DOWNLOAD_ERROR"},
        "check the device's network, clock and certificate: "
        "`deeplens fleet doctor ENV --device THING`",
    ),
}
# Error codes whose cause is in the log of a component.
_CODES_WITH_LOG = frozenset({"COMPONENT_BROKEN", "COMPONENT_UPDATE_ERROR"})
_ANY_COMPONENT = "<component>"
# The service of nucleus lite that carries out deployments.
# Source: aws-greengrass-lite, docs/SETUP.md, "Running the nucleus".
_LITE_DEPLOYMENTS = "ggdeploymentd"


def summarize(result: GateResult) -> str:
    """Return the status of the fleet: a phrase per group of devices, separated by semicolons."""
    if not result.devices:
        return "the fleet has no device yet; a device gets this deployment when it joins"
    good = len(result.with_outcome("good"))
    parts = [f"{good} of {result.reachable} reachable devices run the release"]
    parts += _grouped(
        [device for device in result.with_outcome("good") if device.reason], "of these"
    )
    parts += _grouped(result.with_outcome("failed"), "failed")
    parts += _grouped(result.with_outcome("waiting"), "not there")
    offline = result.with_outcome("offline")
    if offline:
        names = _names([device.thing for device in offline])
        parts.append(f"{len(offline)} offline ({names}); they get it when they reconnect")
    if any(device.runtime == LITE for device in result.with_outcome("failed")):
        parts.append(
            "nucleus lite does not roll back: a failed device keeps the state that the deployment "
            "left until the next deployment"
        )
    parts += _grouped(result.retried, "got a second attempt")
    return "; ".join(parts)


def suggest(result: GateResult) -> str:
    """Return a suggestion for failed and waiting devices; an empty string if there are none."""
    failed, waiting = result.with_outcome("failed"), result.with_outcome("waiting")
    for device in failed:
        for code in reversed(device.error_stack):
            if code in _CODES_WITH_LOG:
                return f"Try: read {_logs(failed)} on the device"
            if code in _SUGGESTIONS:
                return f"Try: {_SUGGESTIONS[code]}"
    if failed or waiting:
        logs = _logs([*failed, *waiting])
        return (
            "Try: read the heartbeat's last error: `deeplens fleet status`; "
            f"then {logs} on the device"
        )
    return ""


def _logs(devices: Iterable[DeviceResult]) -> str:
    """Return the logs of the devices: journal commands for nucleus lite, otherwise file names."""
    logs = {_log(device) for device in devices}
    return " or ".join(sorted(logs))


def _log(device: DeviceResult) -> str:
    if device.runtime != LITE:
        return f"/greengrass/v2/logs/{device.component or _ANY_COMPONENT}.log"
    is_early = device.outcome == "failed" and not device.component
    name = _LITE_DEPLOYMENTS if is_early else device.component or _ANY_COMPONENT
    return f"`journalctl -a -t {name}`"


def _grouped(devices: Iterable[DeviceResult], label: str) -> list[str]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for device in devices:
        stack = f" [{' > '.join(device.error_stack)}]" if device.error_stack else ""
        by_reason[device.reason.replace(device.thing, "<thing>") + stack].append(device.thing)
    ordered = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    parts = [
        f"{len(things)} {label} ({_names(things)}): {reason}"
        for reason, things in ordered[:_MAX_REASONS]
    ]
    if len(ordered) > _MAX_REASONS:
        parts.append(f"{len(ordered) - _MAX_REASONS} more reasons")
    return parts


def _names(things: list[str]) -> str:
    shown = ", ".join(things[:_MAX_NAMES])
    return f"{shown}, …" if len(things) > _MAX_NAMES else shown
