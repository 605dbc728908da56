"""While an operation is in progress, the response is delayed up to a limit."""

import asyncio

from local_aws.services.cloudformation.long_poll import poll_until_done


class Stack:
    """An operation on a simulated clock, which advances only during sleeps."""

    def __init__(self, takes_seconds: float) -> None:
        self.takes_seconds = takes_seconds
        self.now_seconds = 0.0
        self.calls = 0

    async def call(self) -> str:
        self.calls += 1
        return "complete" if self.now_seconds >= self.takes_seconds else "in progress"

    async def sleep(self, seconds: float) -> None:
        self.now_seconds += seconds

    def response(self, wait_seconds: float) -> str:
        return asyncio.run(
            poll_until_done(
                self.call,
                lambda response: response == "in progress",
                wait_seconds,
                clock=lambda: self.now_seconds,
                sleep=self.sleep,
            )
        )


def test_an_operation_that_ends_in_time_responds_at_its_end() -> None:
    assert Stack(takes_seconds=1).response(wait_seconds=4) == "complete"


def test_an_operation_that_has_ended_responds_immediately() -> None:
    stack = Stack(takes_seconds=0)
    assert stack.response(wait_seconds=4) == "complete"
    assert (stack.calls, stack.now_seconds) == (1, 0)


def test_an_operation_that_takes_longer_responds_with_its_state() -> None:
    stack = Stack(takes_seconds=6)
    assert stack.response(wait_seconds=4) == "in progress"
    assert 4 <= stack.now_seconds < 4.1
