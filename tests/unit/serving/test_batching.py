"""Requests that come together are run as one, and each gets its own answer."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from model_tools.errors import SourceError
from model_tools.serving.batching import BatchedEngine, Batching
from model_tools.serving.http_types import RequestError
from model_tools.sources.tensors import Arrays

pytestmark = pytest.mark.process

# Long enough that a loaded machine fills every batch of these tests.
PATIENT = Batching(max_batch_size=4, timeout_seconds=60)
AT_ONCE = Batching(max_batch_size=4, timeout_seconds=0)


class Doubling:
    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._lock = threading.Lock()

    def run(self, key: str, feed: Arrays) -> Arrays:
        with self._lock:
            self.sizes.append(len(feed["x"]))
        if key == "sum":
            return {"y": np.sum(feed["x"])}
        if (feed["x"] < 0).any():
            raise RequestError(400, "negative")
        return {"y": feed["x"] * 2}


def ask(engine: BatchedEngine, feeds: list[Arrays], key: str = "double") -> list[Arrays]:
    with ThreadPoolExecutor(len(feeds)) as pool:
        return list(pool.map(lambda feed: engine.run(key, feed), feeds))


def test_rows_of_four_requests_are_run_once_and_given_back_in_order() -> None:
    inner = Doubling()
    feeds = [{"x": np.full((1, 3), number)} for number in range(4)]
    answers = ask(BatchedEngine(inner, PATIENT), feeds)
    assert inner.sizes == [4]
    for number, answer in enumerate(answers):
        assert answer["y"].tolist() == [[2 * number] * 3]


def test_a_request_is_not_split_and_a_large_one_goes_alone() -> None:
    inner = Doubling()
    engine = BatchedEngine(inner, AT_ONCE)
    assert engine.run("double", {"x": np.ones((7, 1))})["y"].shape == (7, 1)
    assert engine.run("double", {"x": np.ones((3, 1))})["y"].shape == (3, 1)
    assert inner.sizes == [7, 3]


def test_other_shapes_and_other_signatures_have_batches_of_their_own() -> None:
    inner = Doubling()
    engine = BatchedEngine(inner, PATIENT)
    shapes = [(2, 1), (2, 3), (2, 1), (2, 3)]
    answers = ask(engine, [{"x": np.ones(shape)} for shape in shapes])
    assert [answer["y"].shape for answer in answers] == shapes
    assert inner.sizes == [4, 4]


def test_everyone_in_a_batch_that_fails_is_told() -> None:
    engine = BatchedEngine(Doubling(), PATIENT)
    feeds = [{"x": np.full((1,), number)} for number in (1, -1, 1, 1)]
    with ThreadPoolExecutor(4) as pool:
        told = [pool.submit(engine.run, "double", feed) for feed in feeds]
    assert all(isinstance(one.exception(), RequestError) for one in told)


def test_a_model_whose_answers_have_no_rows_cannot_be_batched() -> None:
    engine = BatchedEngine(Doubling(), PATIENT)
    feeds = [{"x": np.ones((2,))} for _ in range(2)]
    with pytest.raises(RequestError, match="cannot be batched"):
        ask(engine, feeds, "sum")


def test_values_without_rows_pass_by() -> None:
    inner = Doubling()
    feed = {"x": np.ones((2, 2)), "flag": np.array(1)}
    assert BatchedEngine(inner, AT_ONCE).run("double", feed)["y"].shape == (2, 2)


def test_sagemakers_variables_turn_it_on() -> None:
    given = {
        "SAGEMAKER_TFS_ENABLE_BATCHING": "true",
        "SAGEMAKER_TFS_MAX_BATCH_SIZE": "16",
        "SAGEMAKER_TFS_BATCH_TIMEOUT_MICROS": "500",
    }
    assert Batching.from_environment(given) == Batching(16, 0.0005)
    assert Batching.from_environment({}) is None
    with pytest.raises(SourceError, match="MAX_BATCH_SIZE"):
        Batching.from_environment({**given, "SAGEMAKER_TFS_MAX_BATCH_SIZE": "many"})
