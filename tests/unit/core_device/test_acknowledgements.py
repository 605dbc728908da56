"""Acknowledgements of published messages arrive unless the core stops waiting."""

from concurrent.futures import Future
from functools import partial

from local_aws.core_device.connection import copy_result


def copied_to(acknowledged: "Future[int]") -> "Future[int]":
    """Return the client's future; its result is copied to the core's future `acknowledged`."""
    future: Future[int] = Future()
    future.add_done_callback(partial(copy_result, acknowledged))
    return future


def test_an_acknowledgement_and_an_error_arrive() -> None:
    good: Future[int] = Future()
    copied_to(good).set_result(7)
    assert good.result(0) == 7
    bad: Future[int] = Future()
    error = ConnectionError("gone")
    copied_to(bad).set_exception(error)
    assert bad.exception(0) is error


def test_a_core_that_ends_does_not_cancel_the_future_of_the_client() -> None:
    acknowledged: Future[int] = Future()
    future = copied_to(acknowledged)
    assert acknowledged.cancel()
    future.set_result(7)
    assert future.result(0) == 7
    assert acknowledged.cancelled()
