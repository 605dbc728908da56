"""A program on a separate pseudo-terminal."""

import fcntl
import os
import pty
import select
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

# The time limit of each wait for the program. It only ends a test that hangs.
_HANG_SECONDS = 900


class OnTerminal:
    """A program with a pseudo-terminal as its input, output and controlling terminal."""

    def __init__(
        self, command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str]
    ) -> None:
        self._ours, theirs = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**environment, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - Popen has no parameter for a controlling terminal
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Terminate the program if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            self.end()

    def type(self, text: str) -> None:
        """Send a string to the program as keyboard input; "\x03" is Ctrl-C."""
        os.write(self._ours, text.encode())

    def read_until(self, holds: Callable[[str], bool]) -> str:
        """Read output until `holds` accepts it or the program ends; return the complete output."""
        while not holds(self.shown):
            chunk = self._read()
            if not chunk:
                break
            self.shown += chunk
        return self.shown

    def end(self) -> int:
        """Read the remaining output, and return the exit code."""
        self.read_until(lambda _: False)
        os.close(self._ours)
        return self.process.wait(_HANG_SECONDS)

    def _read(self) -> str:
        readable, _, _ = select.select([self._ours], [], [], _HANG_SECONDS)
        assert readable, self.shown
        # Linux returns an error when the last writer has closed the terminal.
        with suppress(OSError):
            return os.read(self._ours, 65536).decode(errors="replace")
        return ""


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
