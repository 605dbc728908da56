"""Repetition of a call until an operation is no longer in progress."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

_POLL_SECONDS = 0.05

T = TypeVar("T")


async def poll_until_done(
    call: Callable[[], Awaitable[T]],
    is_in_progress: Callable[[T], object],
    wait_seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Repeat a call until its operation is done or `wait_seconds` have passed.

    The result is the last response.
    """
    response = await call()
    deadline = clock() + wait_seconds
    while is_in_progress(response) and clock() < deadline:
        await sleep(_POLL_SECONDS)
        response = await call()
    return response
