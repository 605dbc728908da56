"""A variant's container: a process that speaks the containers' contract on loopback.

`/ping` and `/invocations`, as SageMaker's documentation of inference containers has it. The
process is the project's own; only its command line and its answers are known here.
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
# SageMaker gives a container eight minutes; here it competes for a laptop.
_START_SECONDS = 480.0
_STOP_SECONDS = 5.0
_LONGEST_REASON = 1024


class ContainerFailed(Exception):  # noqa: N818 - says what happened
    """The container did not start, or ended; the text is its own reason."""


def serve_command() -> Sequence[str]:
    """Give the command that serves an archive; `LOCAL_AWS_SERVE_CONTAINER` replaces it."""
    given = os.environ.get(COMMAND_VARIABLE)
    return shlex.split(given) if given else _DEFAULT_COMMAND


class Container:
    """One running process; `url` is where it listens."""

    def __init__(
        self,
        archive: Path,
        environment: Mapping[str, str],
        log: Path,
        start_seconds: float = _START_SECONDS,
    ) -> None:
        """Start the process and wait until it says that it is ready.

        Raises:
            ContainerFailed: it ended first, said something else, or took too long.
        """
        self._log = log
        command = [
            *serve_command(), "--model-data", str(archive), "--port", "0",
            *(word for name, value in environment.items()
              for word in ("--environment", f"{name}={value}")),
        ]  # fmt: skip
        with log.open("ab") as errors:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - the project's own command
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    cwd=_PROJECT,
                )
            except OSError as error:
                raise ContainerFailed(f"{command[0]}: {error.strerror}") from None
        self._said: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True, name="container-output").start()
        try:
            self.url = self._ready(start_seconds)
        except ContainerFailed:
            self.stop()
            raise

    @property
    def runs(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process."""
        if is_alive(self._process.pid):
            stop(self._process.pid, _STOP_SECONDS)
        self._process.wait()

    def _listen(self) -> None:
        """Take what the process prints, so that it never waits for a reader; b"" is its end."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with self._process.stdout as output:
            for line in output:
                self._said.put(line)
        self._said.put(b"")

    def _ready(self, seconds: float) -> str:
        try:
            line = self._said.get(timeout=seconds)
        except queue.Empty:
            raise ContainerFailed(f"it did not answer /ping within {seconds:.0f} s") from None
        if not line:
            self._process.wait()
            raise ContainerFailed(self._reason())
        try:
            return str(json.loads(line)["url"])
        except (ValueError, KeyError, TypeError):
            raise ContainerFailed(f"it printed {line[:80]!r} where its URL was expected") from None

    def _reason(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"exit code {self._process.returncode}"
        return said.removeprefix("Error: ")[:_LONGEST_REASON]
