"""Run an engine in a separate process, so that only its memory is measured."""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from model_tools.errors import IsolationError, ModelToolsError
from model_tools.images import ImageArray
from shared.artifact.errors import ArtifactError

_WARM_UP_RUNS = 3
_KIB = 1024


@dataclass(frozen=True)
class Contender:
    """An engine and its precision."""

    title: str
    engine: str
    precision: str = "f32"


@dataclass(frozen=True)
class StartTimes:
    """The times of loading a model and of its first inference."""

    load_seconds: float
    first_ms: float


class EngineProcess:
    """A process that runs one contender in blocks, so that blocks of contenders can alternate."""

    def __init__(
        self, contender: Contender, folder: Path, images: list[ImageArray], threads: int
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child_pipe = context.Pipe()
        # BLAS, OpenMP and TensorFlow read these variables when they are loaded.
        limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        before = {name: os.environ.get(name) for name in limits}
        os.environ.update(limits)
        try:
            self._process = context.Process(
                target=_serve, args=(child_pipe, contender, folder, images, threads), daemon=True
            )
            self._process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        child_pipe.close()
        self.title = contender.title
        self.start: StartTimes = self._receive()

    def block(self, seconds: float) -> list[float]:
        """Run the model for `seconds`, and return the duration of each run in ms."""
        self._pipe.send(seconds)
        return self._receive()  # type: ignore[no-any-return]

    def end(self) -> float:
        """End the process, and return its maximum resident memory in MiB."""
        self._pipe.send(None)
        rss_mib: float = self._receive()
        self._process.join()
        return rss_mib

    def kill(self) -> None:
        """Kill the process without returning a result."""
        self._process.kill()
        self._process.join()

    def _receive(self) -> Any:
        try:
            received = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise IsolationError(
                f"{self.title}: the process ended with exit code {self._process.exitcode}"
            ) from None
        if isinstance(received, Exception):
            raise received
        return received


def _serve(
    pipe: Connection, contender: Contender, folder: Path, images: list[ImageArray], threads: int
) -> None:
    # TensorFlow writes many lines to stderr while it is loaded.
    with Path(os.devnull).open("wb") as devnull:
        os.dup2(devnull.fileno(), 2)
    try:
        infer, start = _open(contender, folder, images, threads)
        pipe.send(start)
        while (seconds := pipe.recv()) is not None:
            pipe.send(_block(infer, images, seconds))
        pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB)
    except (ModelToolsError, ArtifactError) as error:
        pipe.send(error)


def _open(
    contender: Contender, folder: Path, images: list[ImageArray], threads: int
) -> tuple[Callable[[ImageArray], object], StartTimes]:
    started = time.perf_counter()
    from shared.artifact.archive import open_unpacked  # noqa: PLC0415 - the load time includes the import
    from shared.vision.engine import open_engine  # noqa: PLC0415 - as above

    engine = open_engine(
        contender.engine,
        open_unpacked(folder),
        threads=threads,
        precision=contender.precision,
        cache=folder / "compiled",
    )
    loaded = time.perf_counter()
    engine.infer(images[0])
    first = time.perf_counter()
    for image in images[:_WARM_UP_RUNS]:
        engine.infer(image)
    return engine.infer, StartTimes(loaded - started, (first - loaded) * 1000)


def _block(
    infer: Callable[[ImageArray], object], images: list[ImageArray], seconds: float
) -> list[float]:
    milliseconds: list[float] = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end or not milliseconds:
        infer(images[len(milliseconds) % len(images)])
        milliseconds.append((time.perf_counter() - started) * 1000)
    return milliseconds
