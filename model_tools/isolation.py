"""Work on files from outside in a process of its own, with limits that it cannot lift.

TensorFlow is not a sandbox (see its SECURITY.md): a graph can crash the process, never return, or
take all memory. The rules of `model_tools.graphs.rules` come first; this is the second wall.
"""

import multiprocessing
import os
import resource
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from model_tools.errors import IsolationError, ModelToolsError
from vision.errors import VisionError

Result = TypeVar("Result")

_MIB = 1 << 20
_END_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """What the process may take."""

    seconds: int = 900
    # Of private memory: heap, stacks, anonymous mappings (RLIMIT_DATA).
    memory_mib: int = 12 * 1024
    # Of any one file that it writes.
    file_mib: int = 4 * 1024


def isolated(
    work: Callable[..., Result], *arguments: Any, limits: Limits | None = None, **options: Any
) -> Result:
    """Return what `work` returns there; it must be importable, and all values picklable.

    Raises:
        IsolationError: the process crashed or met a limit.
        ModelToolsError, vision.errors.VisionError: whatever `work` raised of these kinds.
    """
    if multiprocessing.current_process().daemon:
        # Such a process may have no children; ours have their limits already.
        return work(*arguments, **options)
    chosen = limits or Limits()
    # Who asks for many of them may have TensorFlow loaded once, in the server.
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile(prefix="model-tools-") as said:
        process = context.Process(
            target=_run,
            args=(sender, said.name, chosen, partial(work, *arguments, **options)),
            daemon=True,
        )
        process.start()
        sender.close()
        try:
            if not receiver.poll(chosen.seconds):
                raise IsolationError(f"it took over {chosen.seconds} s and was ended")
            succeeded, answer = receiver.recv()
        except EOFError:
            process.join(_END_SECONDS)
            last_line = said.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise IsolationError(_last_words(process.exitcode, chosen, last_line)) from None
        finally:
            receiver.close()
            process.kill()
            process.join(_END_SECONDS)
    if succeeded:
        return answer  # type: ignore[no-any-return]
    raise answer


def _run(
    sender: Connection,
    said: str,
    limits: Limits,
    work: Callable[[], Any],
) -> None:
    # TensorFlow is talkative; what it said matters only if it crashes.
    with Path(said).open("wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits.seconds * 4),
        (resource.RLIMIT_DATA, limits.memory_mib * _MIB),
        (resource.RLIMIT_FSIZE, limits.file_mib * _MIB),
    ):
        resource.setrlimit(kind, (most, most))
    try:
        answer = (True, work())
    except (ModelToolsError, VisionError) as error:
        answer = (False, error)
    except MemoryError:
        answer = (False, IsolationError(f"it needs over {limits.memory_mib} MiB of memory"))
    sender.send(answer)
    sender.close()


def _last_words(exit_code: int | None, limits: Limits, last_line: str) -> str:
    said = f"; it said: {last_line[:300]}" if last_line else ""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return (
            f"what reads this model was ended by {name}; the limits are "
            f"{limits.memory_mib} MiB and {limits.seconds} s{said}"
        )
    return f"the process ended with exit code {exit_code}{said}"
