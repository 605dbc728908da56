"""Waiting for something that another thread or process does."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Only stops a hang: pytest's own limit for a test is 300 s.
HANG_SECONDS = 120.0


def eventually(
    holds: Callable[[], T], what: object = "", *, seconds: float = HANG_SECONDS, pause: float = 0.01
) -> T:
    """Return the first true result of `holds`; fail if there is none until the hang limit.

    `what` is shown on failure; if it can be called, its result is.
    """
    give_up_at = time.monotonic() + seconds
    while not (result := holds()):
        if time.monotonic() > give_up_at:
            shown = what() if callable(what) else what
            raise AssertionError(f"not within {seconds:g} s: {shown or holds}")
        time.sleep(pause)
    return result
