"""Wait for the result of another thread or process."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# The default time limit of a wait. It only ends a hang; no test depends on its value.
HANG_SECONDS = 120.0

# The pauses between two calls grow: a short first pause ends short waits early, and longer pauses
# do not slow the other process down.
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
    """Return the first true result of `holds`; raise AssertionError after the time limit.

    Args:
        holds: the function that is called until its result is true.
        what: the message of the failure, or a function that returns the message.
        seconds: the time limit, in seconds.
        pause: seconds between two calls; default: 5 % of the time waited, from 0.01 to 0.25 s.
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
