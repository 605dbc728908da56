"""An answer is held back while it is under way, and not for ever."""

import asyncio

from local_aws.services.cloudformation.long_poll import poll_until_done


class Stack:
    """Is under way for seconds of a clock that only sleeping moves."""

    def __init__(self, takes_seconds: float) -> None:
        self.takes_seconds = takes_seconds
        self.now_seconds = 0.0
        self.questions = 0

    async def ask(self) -> str:
        self.questions += 1
        return "complete" if self.now_seconds >= self.takes_seconds else "under way"

    async def sleep(self, seconds: float) -> None:
        self.now_seconds += seconds

    def answer(self, wait_seconds: float) -> str:
        return asyncio.run(
            poll_until_done(
                self.ask,
                lambda answer: answer == "under way",
                wait_seconds,
                clock=lambda: self.now_seconds,
                sleep=self.sleep,
            )
        )


def test_an_operation_that_ends_in_time_is_answered_at_its_end() -> None:
    assert Stack(takes_seconds=1).answer(wait_seconds=4) == "complete"


def test_an_operation_that_has_ended_is_answered_at_once() -> None:
    stack = Stack(takes_seconds=0)
    assert stack.answer(wait_seconds=4) == "complete"
    assert (stack.questions, stack.now_seconds) == (1, 0)


def test_an_operation_that_takes_longer_is_answered_with_its_state() -> None:
    stack = Stack(takes_seconds=6)
    assert stack.answer(wait_seconds=4) == "under way"
    assert 4 <= stack.now_seconds < 4.1
