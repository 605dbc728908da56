"""Consistent copies of the state; a start after a kill restores the newest copy.

A snapshot is a folder that is renamed when it is complete. Its files are hard links, because the
services and S3 replace files and never modify them.
"""

import contextlib
import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from local_aws.state.paths import StatePaths

_PARTIAL = "partial"
_STATE, _OBJECTS = "state", "s3"
# Files that ministack has not finished writing.
_UNFINISHED = shutil.ignore_patterns("*.tmp")

# The path, inode and modification time of each file.
Signature = frozenset[tuple[str, int, int]]


def newest(paths: StatePaths) -> Path | None:
    """Return the newest complete snapshot, or None if no snapshot exists."""
    complete = [folder for folder in paths.snapshots.glob("*") if folder.name.isdigit()]
    return max(complete, key=lambda folder: int(folder.name), default=None)


def taken_at(snapshot: Path) -> datetime:
    """Return the last time, in local time, at which a snapshot was the current state."""
    return datetime.fromtimestamp(snapshot.stat().st_mtime).astimezone()


def add(paths: StatePaths, states: Mapping[str, str] | None = None) -> None:
    """Create a snapshot of the objects and of `states`, then remove the previous snapshot.

    Args:
        paths: the files of the state.
        states: the content of each service's file; None uses the existing files.

    Raises:
        OSError: the snapshot cannot be written. The previous snapshot is unchanged.
    """
    before = newest(paths)
    partial = paths.snapshots / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        _link_tree(paths.objects, partial / _OBJECTS)
        _link_tree(paths.services, partial / _STATE)
        for service, text in (states or {}).items():
            file = partial / _STATE / f"{service}.json"
            file.unlink(missing_ok=True)
            same = before / _STATE / file.name if before else None
            if same is not None and _contains(same, text):
                os.link(same, file)
            else:
                file.write_text(text, encoding="utf-8")
        os.utime(partial)
        partial.replace(paths.snapshots / str(int(before.name) + 1 if before else 1))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)


def confirm(paths: StatePaths) -> None:
    """Record the current time in the newest snapshot, because the state is unchanged."""
    snapshot = newest(paths)
    if snapshot is not None:
        os.utime(snapshot)


def restore(paths: StatePaths) -> datetime | None:
    """Replace the state with the newest snapshot; return its time, or None without a snapshot."""
    snapshot = newest(paths)
    if snapshot is None:
        return None
    for folder, saved in ((paths.services, _STATE), (paths.objects, _OBJECTS)):
        shutil.rmtree(folder, ignore_errors=True)
        _link_tree(snapshot / saved, folder)
    return taken_at(snapshot)


def signature(folder: Path) -> Signature:
    """Return a folder's signature, which changes if a file is added, replaced or removed."""
    entries = set()
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(os.path.join(root, name))  # noqa: PTH116, PTH118 - faster for thousands of files
                entries.add((f"{root}/{name}", status.st_ino, status.st_mtime_ns))
    return frozenset(entries)


def _link_tree(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link, ignore=_UNFINISHED)
    else:
        target.mkdir(parents=True)


def _link(source: str, target: str) -> None:
    """Create a hard link, or copy the file if the file system has no hard links."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(source, target)


def _contains(file: Path, text: str) -> bool:
    try:
        return file.read_text(encoding="utf-8") == text
    except OSError:
        return False
