"""Lists for terminals and pipes: aligned columns without frames, one line per row."""

import os
import time
from collections.abc import Sequence
from datetime import datetime

import click

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
# The maximum difference between the clocks of correctly configured machines, in seconds.
_CLOCK_SECONDS = 5
_COLOURS = {"good": "green", "waiting": "yellow", "failed": "red", "offline": "bright_black"}


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return headings and rows as aligned lines, never wrapped, so that grep finds each value."""
    shown = [[clean(value) for value in row] for row in (headings, *rows)]
    widths = [max(map(len, values)) for values in zip(*shown, strict=True)]
    return [
        "  ".join(f"{value:{width}}" for value, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]


def clean(text: str) -> str:
    """Return text that devices or people wrote, with control characters escaped."""
    from shared.printable import printable

    return printable(text)


def coloured(line: str, state: str) -> str:
    """Return a line of a list in which the cell `state` has the colour of this state."""
    return line.replace(f"  {state}", f"  {click.style(state, fg=_COLOURS.get(state))}", 1)


def echo(line: str) -> None:
    """Print a line; colours are removed outside of terminals, and if NO_COLOR is set."""
    click.echo(line, color=False if os.environ.get("NO_COLOR") else None)


def ago(then: float | None, now: float) -> str:
    """Return the time between `then` and `now`, for example `3 min ago`; `-` for None.

    Both times are seconds since the epoch. If `then` is over 5 s later than `now`, the result ends
    with `ahead`.
    """
    if then is None:
        return "-"
    seconds = now - then
    if seconds < -_CLOCK_SECONDS:
        return f"{_duration(-seconds)} ahead"
    return f"{_duration(max(0.0, seconds))} ago"


def seconds_of(text: str | None) -> float | None:
    """Return an ISO 8601 time as seconds since the epoch; None if the time is absent or invalid."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def stamp(then: float | None) -> str:
    """Return a time, in seconds since the epoch, as ISO 8601 in UTC; `-` for None."""
    return "-" if then is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then))


def size(size_bytes: int | None) -> str:
    """Return a size as text in the largest fitting unit from KiB to TiB; `-` for None."""
    if size_bytes is None:
        return "-"
    for unit, factor in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes / 1024:.1f} KiB"


def count(number: int, noun: str) -> str:
    """Return a number with its noun in the singular or plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _duration(seconds: float) -> str:
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
