"""Whether the saved state can be used again, and what happens when it cannot."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_aws.paths import StatePaths

_UNUSABLE_STATUS = ("_IN_PROGRESS", "_ROLLBACK_FAILED")
_USABLE_STATUS = "REVIEW_IN_PROGRESS"


def prepare(paths: StatePaths) -> list[str]:
    """Make the folder ready for a start; say in plain lines what had to be discarded."""
    paths.root.mkdir(parents=True, exist_ok=True)
    paths.endpoint.unlink(missing_ok=True)
    for folder in (paths.temporary, paths.containers):
        shutil.rmtree(folder, ignore_errors=True)
    reason = _why_unusable(paths)
    paths.clean_marker.unlink(missing_ok=True)
    if reason is None:
        return []
    discard(paths)
    consequence = "its state and the cores' certificates are discarded, everything begins anew"
    return [f"local-aws: {reason}; {consequence}."]


def discard(paths: StatePaths) -> None:
    """Remove what the services saved and the cores whose certificates die with it."""
    folders = (paths.services, paths.objects, paths.temporary, paths.containers)
    for folder in (*folders, *_cores(paths)):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (paths.ca, paths.clean_marker, paths.endpoint):
        file.unlink(missing_ok=True)


def _cores(paths: StatePaths) -> list[Path]:
    """List the folders beside the state that hold a core device."""
    return [found.parents[1] for found in paths.cores.glob("*/greengrass/v2")]


def _why_unusable(paths: StatePaths) -> str | None:
    if not paths.services.is_dir() or not any(paths.services.iterdir()):
        return None
    if not paths.clean_marker.exists():
        return "the last embedded AWS was killed before it could save"
    unfinished = sorted(set(_unfinished_stacks(paths)))
    if unfinished:
        return f"the last embedded AWS stopped in the middle of {', '.join(unfinished)}"
    return None


def _unfinished_stacks(paths: StatePaths) -> Iterator[str]:
    try:
        state = json.loads((paths.services / "cloudformation.json").read_text())
    except (OSError, ValueError):
        return
    for stack in _stacks(state):
        status = str(stack["StackStatus"])
        if status.endswith(_UNUSABLE_STATUS) and status != _USABLE_STATUS:
            yield f"{stack.get('StackName', 'a stack')} ({status})"


def _stacks(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "StackStatus" in value:
            yield value
        for item in value.values():
            yield from _stacks(item)
    elif isinstance(value, list):
        for item in value:
            yield from _stacks(item)
