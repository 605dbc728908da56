"""What the core hears of a message that it published, and who may stop waiting for it."""

from concurrent.futures import Future
from functools import partial

from local_aws.core_device.connection import pass_on


def published(acknowledged: "Future[int]") -> "Future[int]":
    """The client's own future, passed on to the one that the core waits for."""
    made: Future[int] = Future()
    made.add_done_callback(partial(pass_on, acknowledged))
    return made


def test_an_acknowledgement_and_an_error_arrive() -> None:
    good: Future[int] = Future()
    published(good).set_result(7)
    assert good.result(0) == 7
    bad: Future[int] = Future()
    error = ConnectionError("gone")
    published(bad).set_exception(error)
    assert bad.exception(0) is error


def test_a_core_that_ends_does_not_cancel_what_the_client_answers_later() -> None:
    acknowledged: Future[int] = Future()
    own = published(acknowledged)
    assert acknowledged.cancel()
    own.set_result(7)
    assert own.result(0) == 7
    assert acknowledged.cancelled()
