"""Batches of simultaneous requests, like TensorFlow Serving's `--enable_batching`.

Source: tensorflow/serving, tensorflow_serving/batching/README.md.
"""

import re
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from model_tools.errors import SourceError
from model_tools.formats.tensors import Arrays
from model_tools.serving.engines import Engine
from model_tools.serving.http_types import RequestError

_BatchKey = tuple[str, tuple[tuple[str, str, tuple[int, ...]], ...]]


@dataclass(frozen=True)
class BatchingOptions:
    """The maximum number of rows in a batch, and the time for which its first request waits."""

    max_batch_size: int = 8
    timeout_seconds: float = 0.001

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """Return the options in the container's variables; None if they disable batching.

        Raises:
            SourceError: a value is not an integer above 0.
        """
        if environment.get("SAGEMAKER_TFS_ENABLE_BATCHING", "").lower() != "true":
            return None
        numbers = {}
        for variable, default in (
            ("SAGEMAKER_TFS_MAX_BATCH_SIZE", 8),
            ("SAGEMAKER_TFS_BATCH_TIMEOUT_MICROS", 1000),
        ):
            text = environment.get(variable, str(default))
            if not re.fullmatch("[0-9]{1,9}", text) or not int(text):
                raise SourceError(f"{variable}: expected an integer above 0; got {text[:40]!r}")
            numbers[variable] = int(text)
        size, micros = numbers.values()
        return cls(size, micros / 1e6)


@dataclass
class _Batch:
    feeds: list[Arrays] = field(default_factory=list)
    rows: int = 0
    full: threading.Event = field(default_factory=threading.Event)
    done: "Future[list[Arrays]]" = field(default_factory=Future)

    def add(self, feed: Arrays, rows: int) -> int:
        self.feeds.append(feed)
        self.rows += rows
        return len(self.feeds) - 1


class BatchedEngine:
    """An engine that runs the requests of several threads as one batch on another engine.

    The thread that opens a batch waits until the batch is full or the timeout is over. Then it runs
    the batch for all threads.
    """

    def __init__(self, engine: Engine, batching: BatchingOptions) -> None:
        self._engine = engine
        self._batching = batching
        self._lock = threading.Lock()
        self._open: dict[_BatchKey, _Batch] = {}

    def run(self, key: str, feed: Arrays) -> Arrays:
        """Run a signature (see `Engine.run`); rows of equal shape share a batch.

        The rows of a request are always in one batch.

        Raises:
            RequestError: see `Engine.run`; or, with status 400, the outputs of a batch do not have
                the batch's number of rows.
        """
        rows = _rows(feed)
        if rows is None or rows >= self._batching.max_batch_size:
            return self._engine.run(key, feed)
        batch_key = (
            key,
            tuple((alias, str(array.dtype), array.shape[1:]) for alias, array in feed.items()),
        )
        with self._lock:
            batch = self._open.get(batch_key)
            if batch is not None and batch.rows + rows > self._batching.max_batch_size:
                del self._open[batch_key]
                batch.full.set()
                batch = None
            is_new = batch is None
            if batch is None:
                batch = self._open[batch_key] = _Batch()
            index = batch.add(feed, rows)
            if batch.rows == self._batching.max_batch_size:
                del self._open[batch_key]
                batch.full.set()
        if is_new:
            self._run(batch_key, batch)
        return batch.done.result()[index]

    def _run(self, batch_key: _BatchKey, batch: _Batch) -> None:
        batch.full.wait(self._batching.timeout_seconds)
        with self._lock:
            if self._open.get(batch_key) is batch:
                del self._open[batch_key]
        try:
            batch.done.set_result(self._outputs(batch_key[0], batch))
        except BaseException as error:  # noqa: BLE001 - every waiting thread raises it
            batch.done.set_exception(error)

    def _outputs(self, key: str, batch: _Batch) -> list[Arrays]:
        if len(batch.feeds) == 1:
            return [self._engine.run(key, batch.feeds[0])]
        batch_feed = {
            alias: np.concatenate([feed[alias] for feed in batch.feeds]) for alias in batch.feeds[0]
        }
        outputs = self._engine.run(key, batch_feed)
        if any(array.ndim == 0 or len(array) != batch.rows for array in outputs.values()):
            raise RequestError(
                400,
                "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                "dimension sizes of the input tensors: this model cannot be batched",
            )
        ends = np.cumsum([_rows(feed) for feed in batch.feeds])[:-1]
        split = {alias: np.split(array, ends) for alias, array in outputs.items()}
        return [
            {alias: parts[index] for alias, parts in split.items()}
            for index in range(len(batch.feeds))
        ]


def _rows(feed: Arrays) -> int | None:
    lengths = {len(array) if array.ndim else None for array in feed.values()}
    return lengths.pop() if len(lengths) == 1 else None
