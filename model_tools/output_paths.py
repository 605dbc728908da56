"""Check the output paths of a command before it starts work of several minutes."""

import os
import shutil
from pathlib import Path
from typing import Any

import click

_MIB = 1024 * 1024


class OutputPath(click.Path):
    """A Click parameter type for a writable path; the check creates no files."""

    def __init__(self, *, free_mib: int = 1, **options: Any) -> None:
        super().__init__(path_type=Path, **options)
        self._free_mib = free_mib

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; fail if the path is not writable or its file system lacks free space."""
        path = super().convert(value, param, ctx)
        problem = why_unwritable(Path(os.fsdecode(path)), self._free_mib)
        if problem:
            self.fail(problem, param, ctx)
        return path


def why_unwritable(path: Path, free_mib: int) -> str | None:
    """Return the reason why a file or folder cannot be written, or None if it can.

    Less than `free_mib` MiB of free disk space is also a reason.
    """
    existing = path.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if existing != path.absolute() and not existing.is_dir():
        return f"{path} cannot be written: {existing} is not a folder"
    if not os.access(existing, os.W_OK):
        is_read_only = bool(os.statvfs(existing).f_flag & os.ST_RDONLY)
        reason = "its file system is read-only" if is_read_only else "permission denied"
        return f"{path} cannot be written: {reason}"
    free = shutil.disk_usage(existing).free // _MIB
    if free < free_mib:
        return f"{path} cannot be written: expected {free_mib} MiB of free space, got {free} MiB"
    return None
