"""Process untrusted files in a separate process with limits that the process cannot raise.

TensorFlow is not a sandbox (see its SECURITY.md): a graph can crash the process, never return, or
use all memory. The rules of `model_tools.graph.rules` are checked first; the limits are the second
defense.
"""

import multiprocessing
import os
import re
import resource
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from model_tools.errors import IsolationError, ModelToolsError
from shared.artifact.errors import ArtifactError

Result = TypeVar("Result")

_MIB = 1 << 20
_END_SECONDS = 5.0
_WATCH_SECONDS = 0.2
# The time between the soft limit of processor time, which sends SIGXCPU to identify the cause, and
# the hard limit, which sends SIGKILL.
_GRACE_SECONDS = 5
_MEMORY_VARIABLE = "MODEL_TOOLS_MEMORY_MIB"
# The smallest memory limit; `_LEAST_SECONDS` is the smallest time limit. TensorFlow needs about 1
# GiB, and converts the smallest model in a minute on a slow machine.
_LEAST_MEMORY_MIB = 3 * 1024
_COPIES = 18
_LEAST_SECONDS = 900
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGTRAP}
# The share of the memory limit above which a crash is attributed to a lack of memory.
_NEARLY_FULL = 0.75
_OUT_OF_MEMORY = re.compile(
    r"bad_alloc|MemoryError|out of memory|cannot allocate memory|unable to allocate|"
    r"OOM when allocating|memory allocation .*failed",
    re.IGNORECASE,
)


def _default_memory_mib() -> int:
    given = os.environ.get(_MEMORY_VARIABLE, "")
    return int(given) if _NUMBER.fullmatch(given) else 12 * 1024


@dataclass(frozen=True)
class Limits:
    """Limits for the time, memory and files of a process."""

    # Processor time of all threads (RLIMIT_CPU), which does not depend on other load.
    seconds: int = 3600
    # Private memory: heap, stacks, anonymous mappings (RLIMIT_DATA), in addition to the memory at
    # the start of the process.
    memory_mib: int = field(default_factory=_default_memory_mib)
    # Maximum size of each file that the process writes.
    file_mib: int = 4 * 1024
    # Wall-clock time, a limit for a process that waits without computing.
    wall_seconds: int = 7200

    @classmethod
    def for_files(cls, *paths: Path) -> "Limits":
        """Return limits for a model in these files and folders, by their size.

        Conversion needs up to 18 times the size of a model, for copies of graph and weights.
        Decoded images need less. If MODEL_TOOLS_MEMORY_MIB is set, it replaces the memory limit.
        """
        mib = sum(map(_size_bytes, paths)) // _MIB
        memory_mib = _LEAST_MEMORY_MIB + _COPIES * mib
        if os.environ.get(_MEMORY_VARIABLE):
            memory_mib = _default_memory_mib()
        return cls(
            seconds=_LEAST_SECONDS + 20 * mib,
            memory_mib=memory_mib,
            file_mib=1024 + 4 * mib,
            wall_seconds=20 * (_LEAST_SECONDS + 20 * mib),
        )


def _size_bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    # The path of a checkpoint is the common prefix of several files.
    files = [path] if path.is_file() else path.parent.glob(f"{path.name}*")
    return sum(file.stat().st_size for file in files if file.is_file())


def isolated(
    work: Callable[..., Result], *arguments: Any, limits: Limits | None = None, **options: Any
) -> Result:
    """Run `work` in a limited process and return its result.

    `work` must be importable, and all values must be picklable.

    Raises:
        IsolationError: the process crashed or exceeded a limit.
        ModelToolsError, shared.artifact.errors.ArtifactError: `work` raised the error.
    """
    if multiprocessing.current_process().daemon:
        # A daemon process cannot have children. Daemon processes that call this function are
        # already limited.
        return work(*arguments, **options)
    chosen = limits or Limits()
    # With a fork server, a caller of many processes can preload TensorFlow once.
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    watched = _Watched()
    with tempfile.NamedTemporaryFile(prefix="model-tools-") as output:
        process = context.Process(
            target=_run,
            args=(sender, output.name, chosen, partial(work, *arguments, **options)),
            daemon=True,
        )
        process.start()
        sender.close()
        try:
            _watch(receiver, process, chosen, watched)
            succeeded, answer = receiver.recv()
        except EOFError:
            process.join(_END_SECONDS)
            text = output.read().decode("utf-8", "replace").strip()
            raise IsolationError(
                _reason(process.exitcode, chosen, watched.peak_mib, text)
            ) from None
        finally:
            receiver.close()
            process.kill()
            process.join(_END_SECONDS)
    if succeeded:
        return answer  # type: ignore[no-any-return]
    raise answer


@dataclass
class _Watched:
    """Memory measurements of a running process."""

    # Peak of the private memory, in addition to the memory at the start of the process.
    peak_mib: int = 0


def _watch(receiver: Connection, process: BaseProcess, limits: Limits, watched: _Watched) -> None:
    """Wait until the process sends its result or ends.

    Raises:
        IsolationError: the wall-clock limit was exceeded.
    """
    first_mib: int | None = None
    ends_at = time.monotonic() + limits.wall_seconds
    while not receiver.poll(_WATCH_SECONDS):
        mib = _data_bytes(process.pid) // _MIB
        if first_mib is None:
            first_mib = mib
        watched.peak_mib = max(watched.peak_mib, mib - first_mib)
        if time.monotonic() > ends_at:
            raise IsolationError(
                f"the process did not end within {limits.wall_seconds} s although it used only "
                f"{_cpu_seconds(process.pid):.0f} s of the {limits.seconds} s of processor time "
                "that it may use: the machine is busy; try again when it is not"
            )


def _run(
    sender: Connection,
    output: str,
    limits: Limits,
    work: Callable[[], Any],
) -> None:
    # TensorFlow's output is redirected to a file, and shown only if the process crashes.
    with Path(output).open("wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + limits.seconds
    # If the fork server loaded TensorFlow, a new process already uses over 400 MiB. Under a lower
    # limit, every allocation would fail, and libraries would crash.
    memory = _data_bytes(os.getpid()) + limits.memory_mib * _MIB
    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, seconds, seconds + _GRACE_SECONDS),
        (resource.RLIMIT_DATA, memory, memory),
        (resource.RLIMIT_FSIZE, limits.file_mib * _MIB, limits.file_mib * _MIB),
    ):
        resource.setrlimit(kind, (soft, hard))
    try:
        answer = (True, work())
    except (ModelToolsError, ArtifactError) as error:
        answer = (False, error)
    except MemoryError:
        answer = (False, IsolationError(_needs_memory(limits)))
    sender.send(answer)
    sender.close()


def _data_bytes(pid: int | None) -> int:
    """Return a process' private memory in bytes, as for RLIMIT_DATA; 0 if it is unknown."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    line = re.search(r"^VmData:\s+([0-9]+) kB$", status, re.MULTILINE)
    return int(line[1]) << 10 if line else 0


def _cpu_seconds(pid: int | None) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    # Fields after the name, which may contain spaces: state, ten other fields, utime, stime.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _reason(exit_code: int | None, limits: Limits, peak_mib: int, text: str) -> str:
    is_signal = exit_code is not None and exit_code < 0
    number = signal.Signals(-exit_code) if is_signal and exit_code else None
    if number is signal.SIGXCPU:
        return f"the process used over {limits.seconds} s of processor time and was ended"
    is_full = number in _CRASHES and peak_mib > _NEARLY_FULL * limits.memory_mib
    if is_full or _OUT_OF_MEMORY.search(text):
        return _needs_memory(limits, peak_mib)
    if number is signal.SIGKILL:
        return (
            f"the process was killed (SIGKILL) while it used {peak_mib} MiB: Linux does so when "
            "the machine has no memory left"
        )
    # TensorFlow's message may end with the closing brace of a node, so lines without letters are
    # ignored.
    lines = [line.strip() for line in text.splitlines() if any(map(str.isalpha, line))]
    last_line = lines[-1] if lines else ""
    output = f"; its last line: {last_line[:300]}" if last_line else ""
    if number is not None:
        return (
            f"the process that reads this model was ended by {number.name}; the limits are "
            f"{limits.memory_mib} MiB and {limits.seconds} s of processor time{output}"
        )
    return f"the process ended with exit code {exit_code}{output}"


def _needs_memory(limits: Limits, peak_mib: int = 0) -> str:
    used = f"; it used {peak_mib} MiB when it requested more" if peak_mib else ""
    return (
        f"the process needs over {limits.memory_mib} MiB of memory, the limit{used} "
        f"({_MEMORY_VARIABLE}={2 * limits.memory_mib} allows more)"
    )
