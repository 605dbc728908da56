"""A verdict in words: which devices, why, and what to try."""

from collections import defaultdict

from deeplens_project.verdict import Device, Verdict

_MOST_NAMES = 8
_MOST_REASONS = 4

# By Greengrass' error code; the first that is in a device's error stack counts.
_TRY = {
    "ARTIFACT_CHECKSUM_MISMATCH": (
        "the object in the bucket is not the one that was published: publish the artifact again "
        "under its own digest, and find out who wrote to the bucket"
    ),
    "ARTIFACT_DOWNLOAD_ERROR": (
        "see that the token exchange role may read the artifact's bucket, that the object is "
        "there, and that the device has network and disk"
    ),
    "NO_AVAILABLE_COMPONENT_VERSION": (
        "another thing group or component wants another version: see the device's effective "
        "deployments"
    ),
    "COMPONENT_BROKEN": "read /greengrass/v2/logs/<component>.log on the device",
    "COMPONENT_UPDATE_ERROR": "read /greengrass/v2/logs/<component>.log on the device",
}
_TRY_WITHOUT_CODE = "read the heartbeat's last error: `fleet status`; then the component's log"


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
    return "; ".join(parts)


def advise(verdict: Verdict) -> str:
    """Say what to try about the devices that are not good; empty when all are."""
    stacks = [code for one in verdict.of("failed") for code in one.error_stack]
    advice = next((_TRY[code] for code in _TRY if code in stacks), None)
    if advice is None and (verdict.of("waiting") or verdict.of("failed")):
        advice = _TRY_WITHOUT_CODE
    return f"Try: {advice}" if advice else ""


def _grouped(devices: list[Device], word: str) -> list[str]:
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
