"""One engine in a process of its own, so that its memory is its own."""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.errors import IsolationError, ModelToolsError
from shared.artifact.errors import VisionError

Picture = npt.NDArray[np.uint8]

_WARM_UP_RUNS = 3
_KIB = 1024


@dataclass(frozen=True)
class Contender:
    """An engine and how it runs."""

    title: str
    engine: str
    precision: str = "f32"


@dataclass(frozen=True)
class Start:
    """What it took until the first answer."""

    load_seconds: float
    first_ms: float


class Worker:
    """Runs one contender; blocks of runs are asked for, so that several can take turns."""

    def __init__(
        self, contender: Contender, folder: Path, pictures: list[Picture], threads: int
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        # Read by BLAS, OpenMP and TensorFlow when they are loaded.
        limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        before = {name: os.environ.get(name) for name in limits}
        os.environ.update(limits)
        try:
            self._process = context.Process(
                target=_serve, args=(theirs, contender, folder, pictures, threads), daemon=True
            )
            self._process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        theirs.close()
        self.title = contender.title
        self.start: Start = self._answer()

    def block(self, seconds: float) -> list[float]:
        """Return how long each of as many runs took as fit into `seconds`, in ms."""
        self._pipe.send(seconds)
        return self._answer()  # type: ignore[no-any-return]

    def end(self) -> float:
        """Stop; return the most memory that it ever had resident, in MiB."""
        self._pipe.send(None)
        memory: float = self._answer()
        self._process.join()
        return memory

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise IsolationError(
                f"{self.title}: the process ended with exit code {self._process.exitcode}"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(
    pipe: Connection, contender: Contender, folder: Path, pictures: list[Picture], threads: int
) -> None:
    # TensorFlow is talkative.
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        infer, start = _open(contender, folder, pictures, threads)
        pipe.send(start)
        while (seconds := pipe.recv()) is not None:
            pipe.send(_block(infer, pictures, seconds))
        pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB)
    except (ModelToolsError, VisionError) as error:
        pipe.send(error)


def _open(
    contender: Contender, folder: Path, pictures: list[Picture], threads: int
) -> tuple[Callable[[Picture], object], Start]:
    began = time.perf_counter()
    from shared.artifact.archive import open_unpacked  # noqa: PLC0415 - its import is part of the load
    from shared.vision.engine import open_engine  # noqa: PLC0415 - as above

    engine = open_engine(
        contender.engine,
        open_unpacked(folder),
        threads=threads,
        precision=contender.precision,
        cache=folder / "compiled",
    )
    loaded = time.perf_counter()
    engine.infer(pictures[0])
    first = time.perf_counter()
    for picture in pictures[:_WARM_UP_RUNS]:
        engine.infer(picture)
    return engine.infer, Start(loaded - began, (first - loaded) * 1000)


def _block(
    infer: Callable[[Picture], object], pictures: list[Picture], seconds: float
) -> list[float]:
    took: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end or not took:
        infer(pictures[len(took) % len(pictures)])
        took.append((time.perf_counter() - began) * 1000)
    return took
