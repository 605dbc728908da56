"""Simultaneous requests run as one batch, and each request receives the outputs of its rows."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from model_tools.errors import SourceError
from model_tools.formats.tensors import Arrays
from model_tools.serving.batching import BatchedEngine, BatchingOptions
from model_tools.serving.http_types import RequestError

pytestmark = pytest.mark.process

# Batching options with a time limit in which even a busy machine fills every batch of these tests.
PATIENT = BatchingOptions(max_batch_size=4, timeout_seconds=60)
AT_ONCE = BatchingOptions(max_batch_size=4, timeout_seconds=0)


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


def test_rows_of_four_requests_run_once_and_are_returned_in_order() -> None:
    inner = Doubling()
    feeds = [{"x": np.full((1, 3), number)} for number in range(4)]
    answers = ask(BatchedEngine(inner, PATIENT), feeds)
    assert inner.sizes == [4]
    for number, answer in enumerate(answers):
        assert answer["y"].tolist() == [[2 * number] * 3]


def test_a_request_is_not_split_and_a_large_one_runs_alone() -> None:
    inner = Doubling()
    engine = BatchedEngine(inner, AT_ONCE)
    assert engine.run("double", {"x": np.ones((7, 1))})["y"].shape == (7, 1)
    assert engine.run("double", {"x": np.ones((3, 1))})["y"].shape == (3, 1)
    assert inner.sizes == [7, 3]


def test_each_shape_and_each_signature_has_a_separate_batch() -> None:
    inner = Doubling()
    engine = BatchedEngine(inner, PATIENT)
    shapes = [(2, 1), (2, 3), (2, 1), (2, 3)]
    answers = ask(engine, [{"x": np.ones(shape)} for shape in shapes])
    assert [answer["y"].shape for answer in answers] == shapes
    assert inner.sizes == [4, 4]


def test_every_request_of_a_batch_that_fails_gets_the_error() -> None:
    engine = BatchedEngine(Doubling(), PATIENT)
    feeds = [{"x": np.full((1,), number)} for number in (1, -1, 1, 1)]
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(engine.run, "double", feed) for feed in feeds]
    assert all(isinstance(run.exception(), RequestError) for run in runs)


def test_a_model_whose_outputs_have_no_rows_cannot_be_batched() -> None:
    engine = BatchedEngine(Doubling(), PATIENT)
    feeds = [{"x": np.ones((2,))} for _ in range(2)]
    with pytest.raises(RequestError, match="cannot be batched"):
        ask(engine, feeds, "sum")


def test_values_without_rows_are_not_batched() -> None:
    inner = Doubling()
    feed = {"x": np.ones((2, 2)), "flag": np.array(1)}
    assert BatchedEngine(inner, AT_ONCE).run("double", feed)["y"].shape == (2, 2)


def test_sagemakers_variables_enable_batching() -> None:
    given = {
        "SAGEMAKER_TFS_ENABLE_BATCHING": "true",
        "SAGEMAKER_TFS_MAX_BATCH_SIZE": "16",
        "SAGEMAKER_TFS_BATCH_TIMEOUT_MICROS": "500",
    }
    assert BatchingOptions.from_environment(given) == BatchingOptions(16, 0.0005)
    assert BatchingOptions.from_environment({}) is None
    with pytest.raises(SourceError, match="MAX_BATCH_SIZE"):
        BatchingOptions.from_environment({**given, "SAGEMAKER_TFS_MAX_BATCH_SIZE": "many"})
