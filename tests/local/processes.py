"""Processes that run in or below a folder."""

import contextlib
from pathlib import Path


def processes_in(folder: Path, *words: str) -> list[str]:
    """Return the command line of each process in or below a folder that contains one of `words`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_text().replace("\0", " ").strip()
            below = (process / "cwd").readlink().is_relative_to(folder)
            if below and any(word in line for word in words):
                found.append(line)
    return found
