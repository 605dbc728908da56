"""A status line, which is rewritten on a terminal and printed rarely in a log."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

_QUIET_SECONDS = 2.0
_LOG_EVERY_SECONDS = 30.0
_ERASE = "\r\x1b[K"


class StatusLine:
    """The duration and the phase of a step, as one line.

    A terminal shows one line that is rewritten and not wider than the terminal. A log contains a
    line for each new phase (the text before a colon), and a line every 30 s.
    """

    def __init__(self) -> None:
        self._began_at = self._shown_at = time.monotonic()
        self._phases: set[str] = set()
        self._is_shown = False

    def update(self, text: str) -> None:
        """Show the text if the work has taken at least 2 s."""
        now = time.monotonic()
        if now - self._began_at < _QUIET_SECONDS:
            return
        line = f"  … {now - self._began_at:.0f} s  {text}".rstrip()
        if is_terminal():
            width = shutil.get_terminal_size().columns
            sys.stdout.write(f"{_ERASE}{line[: width - 1]}")
            sys.stdout.flush()
            self._is_shown = True
            return
        phase = text.partition(":")[0]
        if (phase and phase not in self._phases) or now - self._shown_at >= _LOG_EVERY_SECONDS:
            self._phases.add(phase)
            self._shown_at = now
            click.echo(line)

    def clear(self) -> None:
        """Erase the line from the terminal."""
        if self._is_shown:
            sys.stdout.write(_ERASE)
            sys.stdout.flush()
            self._is_shown = False


@contextmanager
def status_line() -> Iterator[StatusLine]:
    """Yield a status line, and erase it at the end."""
    status = StatusLine()
    try:
        yield status
    finally:
        status.clear()


def is_terminal() -> bool:
    """Return whether the output is a terminal that can erase a line."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
