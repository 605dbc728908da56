"""Processes by id: whether they live, what they started, and how they end."""

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
    """Tell whether a process exists and is more than a zombie."""
    return start_time(pid) is not None


def start_time(pid: int) -> str | None:
    """Return when a process started, in clock ticks after the boot; None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def descendants(pid: int) -> list[int]:
    """List every process that a process started, directly or not."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        started = children.get(waiting.pop(), [])
        found += started
        waiting += started
    return found


def with_variable(name: str, value: str) -> list[int]:
    """List the processes that were started with an environment variable of this value."""
    wanted = f"{name}={value}".encode()
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
    return found


def ends_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """Return a `preexec_fn`: the child gets the signal when this process ends, however it ends.

    The system sends it when the thread ends that starts the child.
    """
    parent = os.getpid()

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def kill_all(pids: list[int]) -> None:
    """Kill processes by id."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop(pid: int, grace_seconds: float) -> bool:
    """End a process: ask, then kill it and what it started. Tell whether asking was enough."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            kill_all([pid, *descendants(pid)])
            return False
        time.sleep(_POLL_SECONDS)
    return True
