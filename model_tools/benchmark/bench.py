"""Plain against accelerated, in turns, so that a busy moment hits both."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np

from model_tools.artifacts import unpack_artifact
from model_tools.benchmark.worker import Contender, Picture, Start, Worker
from model_tools.inspection import flops_of
from shared.artifact.archive import Artifact
from shared.vision.runtimes import OPENVINO

PLAIN, ACCELERATED, BFLOAT16 = "plain (TensorFlow)", "accelerated (OpenVINO)", "accelerated, bf16"

_BLOCK_SECONDS = 0.25
_MATRIX_SIDE = 1536
_MATRIX_RUNS = 8
_PICTURE_SIDES_PX = (480, 640)


@dataclass(frozen=True)
class Measured:
    """One contender's figures."""

    title: str
    # The very first load, which OpenVINO compiles in; None for TensorFlow, which keeps nothing.
    compile_seconds: float | None
    # Of a process that starts where one ran before.
    load_seconds: float
    first_ms: float
    median_ms: float
    p95_ms: float
    frames_per_second: float
    rss_mib: float
    runs: int
    # Plain's median divided by this one's, round by round; the median of those.
    speed_up: float
    gflops_per_second: float | None
    # Of what a matrix product reaches here.
    share_of_peak: float | None
    milliseconds: list[float]


@dataclass(frozen=True)
class Benchmark:
    """All contenders of one run."""

    name: str
    threads: int
    gflop: float | None
    peak_gflops_per_second: float
    contenders: list[Measured]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, without every single time."""
        document = asdict(self)
        for one in document["contenders"]:
            del one["milliseconds"]
        return document


def bench(  # noqa: PLR0913 - each is a choice of the caller's
    artifact: Path,
    *,
    pictures: list[Picture] | None = None,
    rounds: int = 20,
    threads: int = 2,
    bf16: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Benchmark:
    """Measure an artifact's engines, batch 1, from picture to detections.

    Args:
        artifact: a model.zip.
        pictures: uint8 [height, width, 3]; None draws noise of 640 x 480.
        rounds: how often each contender gets a quarter of a second.
        threads: that an engine may use.
        bf16: measure OpenVINO in bfloat16, too.
        progress: told the rounds done.

    Raises:
        ModelToolsError, shared.artifact.errors.VisionError: the artifact cannot be run.
    """
    shown = pictures or [
        np.random.default_rng(0).integers(0, 256, (*_PICTURE_SIDES_PX, 3), np.uint8)
    ]
    contenders = [Contender(PLAIN, "tensorflow"), Contender(ACCELERATED, "openvino")]
    if bf16:
        contenders.append(Contender(BFLOAT16, "openvino", "bf16"))
    with tempfile.TemporaryDirectory(prefix="model-tools-") as folder:
        opened = unpack_artifact(artifact, Path(folder))
        gflop = _gflop(opened)
        compiled = [_compile(contender, Path(folder), shown, threads) for contender in contenders]
        workers: list[Worker] = []
        try:
            for contender in contenders:
                worker = Worker(contender, Path(folder), shown, threads)
                workers.append(worker)
            blocks: list[list[list[float]]] = []
            for number in range(rounds):
                blocks.append([worker.block(_BLOCK_SECONDS) for worker in workers])
                if progress is not None:
                    progress(number + 1)
            memory = [worker.end() for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
    peak = peak_gflops_per_second()
    measured = [
        _measured(worker, compiled[index], memory[index], blocks, index, gflop, peak)
        for index, worker in enumerate(workers)
    ]
    return Benchmark(opened.manifest.name, threads, gflop, peak, measured)


def peak_gflops_per_second() -> float:
    """Measure a float32 matrix product with NumPy's BLAS, on all cores: the best of some."""
    random = np.random.default_rng(0)
    one, other = (random.random((_MATRIX_SIDE, _MATRIX_SIDE), np.float32) for _ in range(2))
    best = float("inf")
    for _ in range(_MATRIX_RUNS):
        began = time.perf_counter()
        one @ other
        best = min(best, time.perf_counter() - began)
    return float(2 * _MATRIX_SIDE**3 / best / 1e9)


def _gflop(opened: Artifact) -> float | None:
    cut = opened.manifest.cut
    spec = cut.input if cut else opened.manifest.input
    graph = opened.directory / (cut.graph if cut else opened.manifest.graph)
    sides = (spec.height_px or _PICTURE_SIDES_PX[0], spec.width_px or _PICTURE_SIDES_PX[1])
    shape = (1, *sides, 3) if spec.layout == "NHWC" else (1, 3, *sides)
    counted = flops_of(graph, spec.name, spec.dtype, shape)
    return counted / 1e9 if counted else None


def _compile(
    contender: Contender, folder: Path, pictures: list[Picture], threads: int
) -> float | None:
    """Let OpenVINO compile and keep the model; return how long its first load took."""
    if contender.engine != OPENVINO:
        return None
    worker = Worker(contender, folder, pictures, threads)
    worker.end()
    return worker.start.load_seconds


def _measured(  # noqa: PLR0913, PLR0917 - the parts of one row
    worker: Worker,
    compile_seconds: float | None,
    rss_mib: float,
    blocks: list[list[list[float]]],
    index: int,
    gflop: float | None,
    peak: float,
) -> Measured:
    start: Start = worker.start
    times = [took for block in blocks for took in block[index]]
    ratios = [median(block[0]) / median(block[index]) for block in blocks]
    middle = median(times)
    reached = gflop / middle * 1000 if gflop else None
    return Measured(
        title=worker.title,
        compile_seconds=compile_seconds,
        load_seconds=start.load_seconds,
        first_ms=start.first_ms,
        median_ms=middle,
        p95_ms=quantiles(times, n=20)[-1] if len(times) > 1 else middle,
        frames_per_second=1000 / middle,
        rss_mib=rss_mib,
        runs=len(times),
        speed_up=median(ratios),
        gflops_per_second=reached,
        share_of_peak=reached / peak if reached else None,
        milliseconds=times,
    )
