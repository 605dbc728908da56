"""Processes by id: their state, their descendants, and their termination."""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    return start_time(pid) is not None


def start_time(pid: int) -> str | None:
    """Return a process's start time in clock ticks since boot; None if the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def descendants(pid: int) -> list[int]:
    """Return the ids of all direct and indirect child processes of a process."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    descendant_ids, pending = [], [pid]
    while pending:
        started = children.get(pending.pop(), [])
        descendant_ids += started
        pending += started
    return descendant_ids


def with_variable(name: str, value: str) -> list[int]:
    """Return the ids of processes that were started with this value of an environment variable."""
    entry = f"{name}={value}".encode()
    matching = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if entry in file.read_bytes().split(b"\0"):
                matching.append(int(file.parent.name))
    return matching


def ends_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """Return a `preexec_fn` for a child that receives a signal when this process ends in any way.

    The kernel sends the signal when the thread that started the child ends.
    """
    parent = os.getpid()

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def kill_all(pids: list[int]) -> None:
    """Kill processes with SIGKILL; ignore processes that have already ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop(pid: int, grace_seconds: float) -> bool:
    """Stop a process with SIGTERM; after the grace period, kill it and its descendants.

    Returns:
        True if the process ended within the grace period.
    """
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            kill_all([pid, *descendants(pid)])
            return False
        time.sleep(_POLL_SECONDS)
    return True
