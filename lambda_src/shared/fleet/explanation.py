"""A verdict in words: which devices, why, and what to try."""

from collections import defaultdict
from collections.abc import Iterable

from shared.fleet.failures import TRANSIENT_CODES
from shared.fleet.observations import LITE
from shared.fleet.verdict import Device, Verdict

_MOST_NAMES = 8
_MOST_REASONS = 4

# By Greengrass' error code; the most specific one in a device's error stack counts.
_TRY = {
    "ARTIFACT_CHECKSUM_MISMATCH": (
        "the object in the bucket is not the one that was published: publish the artifact again "
        "under its own digest, and find out who wrote to the bucket"
    ),
    "ARTIFACT_DOWNLOAD_ERROR": (
        "see that the token exchange role may read the artifact's bucket, that the object is "
        "there, and that the device has network and disk"
    ),
    "DISK_SPACE_CRITICAL": (
        "free disk space on the device: `deeplens fleet status ENV --wide` lists it for each camera"
    ),
    "NO_AVAILABLE_COMPONENT_VERSION": (
        "another thing group or component wants another version: see the device's effective "
        "deployments"
    ),
    **dict.fromkeys(
        TRANSIENT_CODES - {"ARTIFACT_DOWNLOAD_ERROR"},
        "check the device's network, clock and certificate: "
        "`deeplens fleet doctor ENV --device THING`",
    ),
}
# These codes, and the absence of any, lead to the log of a component.
_SEE_LOG = frozenset({"COMPONENT_BROKEN", "COMPONENT_UPDATE_ERROR"})
_ANY_COMPONENT = "<component>"
# The service of nucleus lite that carries deployments out.
# Source: aws-greengrass-lite, docs/SETUP.md, "Running the nucleus".
_LITE_DEPLOYMENTS = "ggdeploymentd"


def explain(verdict: Verdict) -> str:
    """Say where the fleet stands, one sentence per group of devices."""
    if not verdict.devices:
        return "the fleet has no device yet; one takes this deployment when it joins"
    good = len(verdict.of("good"))
    parts = [f"{good} of {verdict.reachable} reachable devices run the release"]
    parts += _grouped([one for one in verdict.of("good") if one.reason], "of these")
    parts += _grouped(verdict.of("failed"), "failed")
    parts += _grouped(verdict.of("waiting"), "not there")
    offline = verdict.of("offline")
    if offline:
        names = _names([one.thing for one in offline])
        parts.append(f"{len(offline)} offline ({names}); they take it when they are back")
    if any(device.runtime == LITE for device in verdict.of("failed")):
        parts.append(
            "nucleus lite does not roll back: a failed device keeps what the deployment left "
            "until the next deployment"
        )
    parts += _grouped(verdict.retried, "got a second attempt")
    return "; ".join(parts)


def advise(verdict: Verdict) -> str:
    """Return a suggestion for the devices that are not good; empty if all are."""
    failed, waiting = verdict.of("failed"), verdict.of("waiting")
    for device in failed:
        for code in reversed(device.error_stack):
            if code in _SEE_LOG:
                return f"Try: read {_logs(failed)} on the device"
            if code in _TRY:
                return f"Try: {_TRY[code]}"
    if failed or waiting:
        logs = _logs([*failed, *waiting])
        return (
            "Try: read the heartbeat's last error: `deeplens fleet status`; "
            f"then {logs} on the device"
        )
    return ""


def _logs(devices: Iterable[Device]) -> str:
    """Name the log of each kind of device: nucleus lite has no log files, classic no journal."""
    logs = {_log(device) for device in devices}
    return " or ".join(sorted(logs))


def _log(device: Device) -> str:
    if device.runtime != LITE:
        return f"/greengrass/v2/logs/{device.component or _ANY_COMPONENT}.log"
    is_early = device.standing == "failed" and not device.component
    name = _LITE_DEPLOYMENTS if is_early else device.component or _ANY_COMPONENT
    return f"`journalctl -a -t {name}`"


def _grouped(devices: Iterable[Device], word: str) -> list[str]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for one in devices:
        stack = f" [{' > '.join(one.error_stack)}]" if one.error_stack else ""
        by_reason[one.reason.replace(one.thing, "<thing>") + stack].append(one.thing)
    ordered = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    parts = [
        f"{len(things)} {word} ({_names(things)}): {reason}"
        for reason, things in ordered[:_MOST_REASONS]
    ]
    if len(ordered) > _MOST_REASONS:
        parts.append(f"{len(ordered) - _MOST_REASONS} more reasons")
    return parts


def _names(things: list[str]) -> str:
    shown = ", ".join(things[:_MOST_NAMES])
    return f"{shown}, …" if len(things) > _MOST_NAMES else shown
