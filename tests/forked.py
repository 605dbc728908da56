"""Commands of `deeplens model` in separate processes in which TensorFlow is already loaded.

A command that reads or trains a model needs seconds to load TensorFlow, so tests/conftest.py has a
fork server that has loaded TensorFlow. Its processes have separate memory, signals and exit codes,
like the process of a command. Only the start of Python is not tested.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

_CONTEXT = multiprocessing.get_context("forkserver")


class Ended(NamedTuple):
    """The exit code and the output of a finished command."""

    returncode: int
    stdout: str
    stderr: str


class ForkedCommand:
    """A process of `python -m MODULE …`, which ends with the `with` block.

    `stdout` can be read while the process runs.

    Args:
        module: name of the module.
        arguments: the arguments of the command.
        stderr: the file for standard error; default: standard error of the fork server.
        environment: variables; default: those of this process.
    """

    def __init__(
        self,
        module: str,
        *arguments: object,
        stderr: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        readable, writable = _CONTEXT.Pipe(duplex=False)
        words = [module, *map(str, arguments)]
        self._process = _CONTEXT.Process(
            target=_run, args=(words, dict(environment or os.environ), writable, stderr)
        )
        self._process.start()
        writable.close()
        self.stdout = os.fdopen(os.dup(readable.fileno()), encoding="utf-8")
        readable.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Return the exit code, which is negative after a signal.

        Raises:
            TimeoutError: the process still runs after `timeout_seconds`.
        """
        self._process.join(timeout_seconds)
        if self._process.exitcode is None:
            raise TimeoutError(f"process {self.pid} still runs after {timeout_seconds} s")
        return self._process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()
        self._process.close()
        self.stdout.close()


def run_forked(
    module: str, *arguments: object, folder: Path, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run `python -m MODULE …` to its end; return its exit code and output.

    Args:
        module: name of the module.
        arguments: the arguments of the command.
        folder: an existing folder for the file with standard error.
        environment: variables; default: those of this process.
    """
    errors = folder / "stderr.txt"
    with ForkedCommand(module, *arguments, stderr=errors, environment=environment) as command:
        printed = command.stdout.read()
        code = command.wait()
    return Ended(code, printed, errors.read_text(encoding="utf-8"))


def _run(
    words: list[str],
    environment: dict[str, str],
    writable: Connection,
    stderr: Path | None,
) -> None:
    """Run a module like `python -m`, with the given arguments, variables and output."""
    _fork_from_the_same_server()
    os.dup2(writable.fileno(), 1)
    writable.close()
    if stderr is not None:
        with stderr.open("wb") as file:
            os.dup2(file.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(words)
    # multiprocessing flushes both streams, and uses the exit code of SystemExit.
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _fork_from_the_same_server() -> None:
    """Connect this process to its fork server, for commands that read a model in another process.

    Otherwise, multiprocessing of Python 3.11 would start another server without TensorFlow.
    """
    server: Any = forkserver._forkserver  # noqa: SLF001 - multiprocessing has no public name for the server
    server.ensure_running = lambda: None
