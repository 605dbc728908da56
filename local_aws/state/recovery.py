"""Preparation of a start: with the saved state, otherwise with the newest snapshot or no state."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_aws.core_device.layout import Layout
from local_aws.core_device.running_lock import running_process
from local_aws.state import snapshots
from local_aws.state.paths import StatePaths

_UNUSABLE_STATUS = ("_IN_PROGRESS", "_ROLLBACK_FAILED")
_USABLE_STATUS = "REVIEW_IN_PROGRESS"


def prepare(paths: StatePaths) -> list[str]:
    """Prepare the state folder for a start; return messages about discarded data."""
    paths.root.mkdir(parents=True, exist_ok=True)
    paths.endpoint.unlink(missing_ok=True)
    for folder in (paths.temporary, paths.containers):
        shutil.rmtree(folder, ignore_errors=True)
    reason = _why_unusable(paths)
    paths.clean_marker.unlink(missing_ok=True)
    if reason is None:
        if _has_files(paths.services):
            snapshots.add(paths)
        return []
    taken_at = snapshots.restore(paths)
    if taken_at is not None:
        since = f"{taken_at:%Y-%m-%d %H:%M:%S}"
        return [f"emulator: {reason}; changes after {since} are discarded."]
    _discard_services(paths)
    consequence = "its state is discarded; cores keep their folders and get new certificates"
    return [f"emulator: {reason}; {consequence}."]


def complete(paths: StatePaths) -> None:
    """Mark the state as saved; remove the snapshots unless a stack operation is in progress.

    Raises:
        OSError: the marker file cannot be written.
    """
    paths.clean_marker.touch()
    # If a stack operation is in progress, the next start restores the newest snapshot.
    if _why_unusable(paths) is None:
        shutil.rmtree(paths.snapshots, ignore_errors=True)


def discard(paths: StatePaths) -> list[str]:
    """Remove the state and its core devices; return messages about the remaining core devices.

    The folder of a running core device remains, because it contains unsent messages.
    """
    _discard_services(paths)
    notes = []
    for core in _cores(paths):
        process = running_process(Layout(core))
        if process is None:
            shutil.rmtree(core, ignore_errors=True)
        else:
            notes.append(f"emulator: {core.name} is running (process {process}); {core} remains")
    return notes


def is_unfinished(status: str) -> bool:
    """Return whether a stack with this status cannot continue in another process."""
    return status.endswith(_UNUSABLE_STATUS) and status != _USABLE_STATUS


def _discard_services(paths: StatePaths) -> None:
    folders = (paths.services, paths.objects, paths.temporary, paths.containers, paths.snapshots)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    for file in (paths.ca, paths.clean_marker, paths.endpoint):
        file.unlink(missing_ok=True)


def _cores(paths: StatePaths) -> list[Path]:
    """Return the folders of the core devices that belong to the state."""
    return [nucleus.parents[1] for nucleus in paths.cores.glob("*/greengrass/v2")]


def _why_unusable(paths: StatePaths) -> str | None:
    if not any(map(_has_files, (paths.services, paths.objects, paths.snapshots))):
        return None
    if not paths.clean_marker.exists():
        return "the last emulator was killed, or could not save its state"
    unfinished = sorted(set(_unfinished_stacks(paths)))
    if unfinished:
        return f"the last emulator stopped in the middle of {', '.join(unfinished)}"
    return None


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _unfinished_stacks(paths: StatePaths) -> Iterator[str]:
    try:
        state = json.loads((paths.services / "cloudformation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for stack in _stacks(state):
        status = str(stack["StackStatus"])
        if is_unfinished(status):
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
