"""How failures are met: with growing pauses, and without a flood of reports."""

import time
from collections import OrderedDict
from collections.abc import Callable

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_FORGET_AFTER_SECONDS = 600.0
_MOST_REMEMBERED = 128


class Backoff:
    """Counts failures in a row, and says how long to wait: 1 s, doubling up to 60 s."""

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
        """Count a failure; return the pause in seconds."""
        self.consecutive += 1
        self._pause_seconds = min(
            max(2 * self._pause_seconds, self._first_seconds), self._longest_seconds
        )
        return self._pause_seconds

    def succeeded(self) -> int:
        """Start again; return how many failures there were in a row."""
        ended, self.consecutive, self._pause_seconds = self.consecutive, 0, 0.0
        return ended


class Repeats:
    """Counts how often each error occurs, so that repetition can be told from news.

    Successes in between do not make an error news, or one broken picture in a folder would be
    reported in every round. An error that stayed away for ten minutes starts again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def count(self, error: Exception) -> int:
        """Count an error; return how often it occurred: 1 is news."""
        key, now = (type(error).__name__, str(error)), self._clock()
        count, last_seconds = self._seen.pop(key, (0, now))
        count = 1 if now - last_seconds > _FORGET_AFTER_SECONDS else count + 1
        self._seen[key] = (count, now)
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return count


def is_worth_a_line(count: int) -> bool:
    """Whether the log shall say it again: the 1st, 2nd, 4th, 8th … time."""
    return count & (count - 1) == 0
