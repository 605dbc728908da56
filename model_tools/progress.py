"""Report the progress of long work: the phase and the remaining time.

A terminal shows a progress bar. A log receives a line per phase, and a line every half minute. If
the environment variable MODEL_TOOLS_PROGRESS names a file, that file contains the newest line, for
the parent process.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

FILE_VARIABLE = "MODEL_TOOLS_PROGRESS"

_LOG_EVERY_SECONDS = 30.0
_FILE_EVERY_SECONDS = 0.25
# The minimum duration of a measurement for a reliable estimate.
_LEAST_MEASURED_SECONDS = 2.0
_MINUTE_SECONDS = 60
_ROUNDED_TO_SECONDS = 10


@dataclass(frozen=True)
class Phase:
    """A phase of the work; if `total` is None, the number of steps is unknown."""

    name: str
    total: int | None = None
    unit: str = "step"
    done: int = 0
    loss: float | None = None
    remaining_seconds: float | None = None


class Display(Protocol):
    """An output for progress, such as a terminal or a file."""

    def show(self, phase: Phase, *, is_new: bool) -> None:
        """Show the state of a phase; `is_new` is True at its start."""


class Progress:
    """A reporter that sends phases and their steps to displays."""

    def __init__(self, *displays: Display, clock: Callable[[], float] = time.monotonic) -> None:
        self._displays = displays
        self._clock = clock
        self._phase = Phase("")
        self._first: tuple[int, float] | None = None

    def phase(self, name: str, total: int | None = None, unit: str = "step") -> None:
        """Begin a phase; `total` is its number of steps, or None if that is unknown."""
        self._first = None
        self._show(Phase(name, total, unit), is_new=True)

    def step(self, done: int, loss: float | None = None) -> None:
        """Report the number of completed steps of this phase, and the loss."""
        now = self._clock()
        # The first step includes one-time work, such as tracing, so the measurement starts after
        # that step.
        first, since = self._first = self._first or (done, now)
        left = remaining_seconds(done - first, (self._phase.total or 0) - done, now - since)
        self._show(replace(self._phase, done=done, loss=loss, remaining_seconds=left), is_new=False)

    def _show(self, phase: Phase, *, is_new: bool) -> None:
        self._phase = phase
        for display in self._displays:
            display.show(phase, is_new=is_new)


@contextmanager
def reporting() -> Iterator[Progress]:
    """Yield a reporter to stderr (a terminal or log), and to the file in MODEL_TOOLS_PROGRESS."""
    file = os.environ.get(FILE_VARIABLE)
    others = (_File(Path(file)),) if file else ()
    if not sys.stderr.isatty():
        yield Progress(_Log(), *others)
        return
    with _bar() as bar:
        yield Progress(bar, *others)


@contextmanager
def progress_of(name: str, total: int, unit: str = "step") -> Iterator[Callable[..., None]]:
    """Yield the function that reports the steps of work with a single phase."""
    with reporting() as progress:
        progress.phase(name, total, unit)
        yield progress.step


def remaining_seconds(measured: int, left: int, seconds: float) -> float | None:
    """Estimate the seconds for `left` steps if `measured` steps took `seconds`; None if unknown."""
    if measured < 1 or seconds < _LEAST_MEASURED_SECONDS:
        return None
    return max(left, 0) * seconds / measured


def in_one_line(phase: Phase) -> str:
    """Return a line such as "training: step 120 of 790, loss 0.31, about 1 min left"."""
    if phase.total is None:
        return phase.name
    if not phase.done:
        return f"{phase.name}: {phase.total} {phase.unit}s"
    parts = [f"{phase.unit} {phase.done} of {phase.total}"]
    if phase.loss is not None:
        parts.append(f"loss {phase.loss:.2f}")
    if phase.remaining_seconds is not None and phase.done < phase.total:
        parts.append(f"{duration(phase.remaining_seconds)} left")
    return f"{phase.name}: {', '.join(parts)}"


def duration(seconds: float) -> str:
    """Return an approximate duration, such as "about 40 s" or "about 2 min"."""
    rounded = -(-int(seconds) // _ROUNDED_TO_SECONDS) * _ROUNDED_TO_SECONDS
    if rounded < _MINUTE_SECONDS:
        return f"about {max(rounded, _ROUNDED_TO_SECONDS)} s"
    return f"about {max(round(seconds / _MINUTE_SECONDS), 1)} min"


class _Log:
    def __init__(self) -> None:
        self._shown_at = time.monotonic()

    def show(self, phase: Phase, *, is_new: bool) -> None:
        now = time.monotonic()
        if is_new or now - self._shown_at >= _LOG_EVERY_SECONDS:
            self._shown_at = now
            sys.stderr.write(f"{in_one_line(phase)}\n")
            sys.stderr.flush()


class _File:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._shown_at = 0.0

    def show(self, phase: Phase, *, is_new: bool) -> None:
        now = time.monotonic()
        if is_new or now - self._shown_at >= _FILE_EVERY_SECONDS:
            self._shown_at = now
            # The file is replaced, so that readers never read an incomplete line.
            partial = self._file.with_name(f"{self._file.name}.partial")
            partial.write_text(in_one_line(phase), encoding="utf-8")
            partial.replace(self._file)


@contextmanager
def _bar() -> Iterator[Display]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.markup import escape  # noqa: PLC0415 - as above
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415 - as above
    from rich.progress import Progress as RichProgress  # noqa: PLC0415 - as above

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None))
    with RichProgress(*columns, console=Console(stderr=True), expand=True, transient=True) as bar:
        task = bar.add_task("", total=None)

        class Bar:
            def show(self, phase: Phase, *, is_new: bool) -> None:
                if is_new:
                    bar.reset(task)
                text = escape(in_one_line(phase))
                bar.update(task, total=phase.total, completed=phase.done, description=text)

        yield Bar()
