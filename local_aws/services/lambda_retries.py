"""Lambda's retries of asynchronous invocations.

Source: Lambda developer guide, "Error handling for asynchronous invocation". Lambda retries twice
with the same event. AWS waits one minute before the first retry and two before the second.
"""

import time
from collections.abc import Callable
from typing import Any

RETRIES = 2
PAUSE_SECONDS = 1.0

Result = dict[str, Any]


def call_with_retries(
    call: Callable[[], Result],
    *,
    is_done: Callable[[], bool] = lambda: False,
    pause: Callable[[float], None] = time.sleep,
) -> Result:
    """Call a function until it succeeds or `is_done` returns true, with at most two retries.

    One second passes before each retry. The result is that of the last call.
    """
    result = call()
    for _ in range(RETRIES):
        if not result.get("error") or is_done():
            break
        pause(PAUSE_SECONDS)
        result = call()
    return result
