"""Repeated failures of a component: when a nucleus stops trying.

Sources: aws-greengrass-nucleus, Lifecycle (`MAXIMUM_CONTINUAL_ERROR`, `errorResetTime`);
aws-greengrass-lite, recipe2unit (`StartLimitBurst`, `StartLimitInterval`); systemd.unit(5).
"""

from collections.abc import Sequence

MOST_FAILURES = 3
INTERVAL_SECONDS = 3600.0


def is_third_failure(failures: Sequence[float]) -> bool:
    """Return whether the last failure makes a component of the classic nucleus BROKEN.

    The count begins again if the failure before is an hour ago.

    Args:
        failures: times of all failures, in seconds, oldest first.
    """
    count = 0
    for position, failed_at in enumerate(failures):
        recent = position and failed_at - failures[position - 1] < INTERVAL_SECONDS
        count = count + 1 if recent else 1
    return count >= MOST_FAILURES


def is_start_refused(starts: Sequence[float], now: float) -> bool:
    """Return whether systemd refuses to start a unit of nucleus lite at `now`.

    A unit starts three times within an hour, which begins with its first start.

    Args:
        starts: times of the starts since the last deployment, in seconds, oldest first.
        now: the time of the next start.
    """
    began_at, count = None, 0
    for started_at in starts:
        if began_at is None or started_at - began_at > INTERVAL_SECONDS:
            began_at, count = started_at, 0
        count += 1
    return began_at is not None and now - began_at <= INTERVAL_SECONDS and count >= MOST_FAILURES
