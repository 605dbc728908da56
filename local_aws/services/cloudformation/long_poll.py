"""Answers that are delayed while the operation that they describe is in progress."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

_LOOK_SECONDS = 0.05

T = TypeVar("T")


async def at_the_end(
    ask: Callable[[], Awaitable[T]],
    is_under_way: Callable[[T], object],
    wait_seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Ask until the operation has ended, for at most `wait_seconds`; return the last answer."""
    answer = await ask()
    give_up_at = clock() + wait_seconds
    while is_under_way(answer) and clock() < give_up_at:
        await sleep(_LOOK_SECONDS)
        answer = await ask()
    return answer
