"""Processes that run in or below a folder."""

import contextlib
from pathlib import Path


def processes_in(folder: Path, *words: str) -> list[str]:
    """Return the command lines with one of `words`, of processes that run in or below a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_text().replace("\0", " ").strip()
            below = (process / "cwd").readlink().is_relative_to(folder)
            if below and any(word in line for word in words):
                found.append(line)
    return found
