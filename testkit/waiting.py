"""Waiting for the result of another thread or process."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Only ends a hang; no test depends on it.
HANG_SECONDS = 120.0

# Short waits end quickly; in long waits, polls must not slow the awaited process down.
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25
_PAUSE_SHARE = 0.05


def eventually(
    holds: Callable[[], T],
    what: object = "",
    *,
    seconds: float = HANG_SECONDS,
    pause: float | None = None,
) -> T:
    """Return the first true result of `holds`; fail after the hang limit.

    Args:
        holds: is called until its result is true.
        what: is shown on failure; a callable is replaced by its result.
        seconds: the hang limit.
        pause: seconds between two calls; default: 5 % of the time waited, from 0.01 to 0.25.
    """
    began = time.monotonic()
    give_up_at = began + seconds
    while not (result := holds()):
        if time.monotonic() > give_up_at:
            shown = what() if callable(what) else what
            raise AssertionError(f"not within {seconds:g} s: {shown or holds}")
        waited = time.monotonic() - began
        growing = min(max(_FIRST_PAUSE_SECONDS, _PAUSE_SHARE * waited), _LONGEST_PAUSE_SECONDS)
        time.sleep(growing if pause is None else pause)
    return result
