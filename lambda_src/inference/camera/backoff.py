"""Pauses after failures, and counters of repeated errors."""

import time
from collections import OrderedDict
from collections.abc import Callable

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_RESET_SECONDS = 600.0
_MAX_ERRORS = 128


class Backoff:
    """A counter of consecutive failures, with pauses that double from 1 s to 60 s."""

    def __init__(
        self,
        *,
        first_seconds: float = _FIRST_PAUSE_SECONDS,
        longest_seconds: float = _LONGEST_PAUSE_SECONDS,
    ) -> None:
        self.consecutive = 0
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._pause_seconds = 0.0

    def failed(self) -> float:
        """Count a failure; return the next pause in seconds."""
        self.consecutive += 1
        self._pause_seconds = min(
            max(2 * self._pause_seconds, self._first_seconds), self._longest_seconds
        )
        return self._pause_seconds

    def succeeded(self) -> int:
        """Reset the pause and the counter; return the previous number of consecutive failures."""
        ended, self.consecutive, self._pause_seconds = self.consecutive, 0, 0.0
        return ended


class ErrorCounts:
    """Counters of errors, with which a repeated error is reported only once.

    Successes do not reset a counter; otherwise, a damaged image in a folder would be reported in
    each cycle. A counter is reset when its error has not occurred for ten minutes.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def count(self, error: Exception) -> int:
        """Count an error; return the number of its occurrences, 1 for a new error."""
        key, now = (type(error).__name__, str(error)), self._clock()
        count, last_seconds = self._counts.pop(key, (0, now))
        count = 1 if now - last_seconds > _RESET_SECONDS else count + 1
        self._counts[key] = (count, now)
        if len(self._counts) > _MAX_ERRORS:
            self._counts.popitem(last=False)
        return count


def is_logged(count: int) -> bool:
    """Return true if the occurrence with this number is logged: the 1st, 2nd, 4th, 8th …."""
    return count & (count - 1) == 0
