"""The container of a variant: a process with SageMaker's container API on loopback.

The process serves `/ping` and `/invocations` as SageMaker's documentation of inference containers
defines them. This module uses the process only through its command line and HTTP.
"""

import json
import os
import queue
import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_aws.process.child_processes import is_alive, stop

COMMAND_VARIABLE = "LOCAL_AWS_SERVE_CONTAINER"
_PROJECT = Path(__file__).resolve().parents[3]
_DEFAULT_COMMAND = (
    str(_PROJECT / ".venv" / "bin" / "python"),
    "-m",
    "model_tools",
    "serve-container",
)
# The time limit for the start of a container: eight minutes, as on SageMaker.
_START_SECONDS = 480.0
_STOP_SECONDS = 5.0
_LONGEST_REASON = 1024


class ContainerFailed(Exception):  # noqa: N818 - the name describes an event
    """Raised if a container does not start, or has ended; the message contains the reason."""


def serve_command() -> Sequence[str]:
    """Return the command that serves a model archive; `LOCAL_AWS_SERVE_CONTAINER` overrides it."""
    command = os.environ.get(COMMAND_VARIABLE)
    return shlex.split(command) if command else _DEFAULT_COMMAND


class Container:
    """A running container process with its `url`."""

    def __init__(
        self,
        archive: Path,
        environment: Mapping[str, str],
        log: Path,
        start_seconds: float = _START_SECONDS,
    ) -> None:
        """Start the process and wait until it prints its URL.

        Raises:
            ContainerFailed: the command cannot run, or the process ends, prints other output, or
                does not start in time.
        """
        self._log = log
        command = [
            *serve_command(), "--model-data", str(archive), "--port", "0",
            *(word for name, value in environment.items()
              for word in ("--environment", f"{name}={value}")),
        ]  # fmt: skip
        with log.open("ab") as errors:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - a command of the project
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    cwd=_PROJECT,
                )
            except OSError as error:
                raise ContainerFailed(f"{command[0]}: {error.strerror}") from None
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read_output, daemon=True, name="container-output").start()
        try:
            self.url = self._ready(start_seconds)
        except ContainerFailed:
            self.stop()
            raise

    @property
    def runs(self) -> bool:
        """Return whether the process is running."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Stop the process."""
        if is_alive(self._process.pid):
            stop(self._process.pid, _STOP_SECONDS)
        self._process.wait()

    def _read_output(self) -> None:
        """Read the output into a queue, so the process never blocks; empty bytes mark the end."""
        assert self._process.stdout is not None  # noqa: S101 - stdout is a pipe
        with self._process.stdout as output:
            for line in output:
                self._lines.put(line)
        self._lines.put(b"")

    def _ready(self, seconds: float) -> str:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise ContainerFailed(f"it did not respond to /ping within {seconds:.0f} s") from None
        if not line:
            self._process.wait()
            raise ContainerFailed(self._reason())
        try:
            return str(json.loads(line)["url"])
        except (ValueError, KeyError, TypeError):
            raise ContainerFailed(f"it printed {line[:80]!r} instead of its URL") from None

    def _reason(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit code {self._process.returncode}"
        return reason.removeprefix("Error: ")[:_LONGEST_REASON]
