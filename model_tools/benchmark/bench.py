"""Measurements of TensorFlow and OpenVINO in alternating blocks.

Because the blocks alternate, other load affects both engines equally.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np

from model_tools.artifact.archive import unpack_artifact
from model_tools.benchmark.worker import Contender, EngineProcess, StartTimes
from model_tools.images import ImageArray
from model_tools.inspection import flops_of
from shared.artifact.archive import Artifact
from shared.vision.graph_loader import OPENVINO

PLAIN, ACCELERATED, BFLOAT16 = "plain (TensorFlow)", "accelerated (OpenVINO)", "accelerated, bf16"

_BLOCK_SECONDS = 0.25
_MATRIX_SIDE = 1536
_MATRIX_RUNS = 8
_IMAGE_SIDES_PX = (480, 640)


@dataclass(frozen=True)
class EngineMeasurement:
    """The metrics of one contender; the field names are keys of `--json`."""

    title: str
    # Duration of the first load, in which OpenVINO compiles the model; None for TensorFlow.
    compile_seconds: float | None
    # Duration of a later load, which reads the compiled model from the cache.
    load_seconds: float
    first_ms: float
    median_ms: float
    p95_ms: float
    frames_per_second: float
    rss_mib: float
    runs: int
    # The median ratio of all rounds; in each round, TensorFlow's median time is divided by this
    # contender's.
    speed_up: float
    gflops_per_second: float | None
    # The ratio of `gflops_per_second` to the rate of a matrix product on this machine.
    share_of_peak: float | None
    milliseconds: list[float]


@dataclass(frozen=True)
class Benchmark:
    """The measurements of all contenders in one run."""

    name: str
    threads: int
    gflop: float | None
    peak_gflops_per_second: float
    contenders: list[EngineMeasurement]

    def as_dict(self) -> dict[str, Any]:
        """Return the benchmark as plain data, without the time of each run."""
        document = asdict(self)
        for contender in document["contenders"]:
            del contender["milliseconds"]
        return document


def compare_engines(  # noqa: PLR0913 - options of the caller
    artifact: Path,
    *,
    images: list[ImageArray] | None = None,
    rounds: int = 20,
    threads: int = 2,
    bf16: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Benchmark:
    """Measure an artifact's engines with batch size 1, from an image to its detections.

    Args:
        artifact: a model.zip.
        images: uint8 [height, width, 3]; None for noise of 640 x 480 pixels.
        rounds: the number of quarter-second blocks of each contender.
        threads: the number of threads of an engine.
        bf16: True to measure OpenVINO in bfloat16, too.
        progress: called with the number of completed rounds.

    Raises:
        ModelToolsError, shared.artifact.errors.ArtifactError: the artifact cannot run.
    """
    inputs = images or [np.random.default_rng(0).integers(0, 256, (*_IMAGE_SIDES_PX, 3), np.uint8)]
    contenders = [Contender(PLAIN, "tensorflow"), Contender(ACCELERATED, "openvino")]
    if bf16:
        contenders.append(Contender(BFLOAT16, "openvino", "bf16"))
    with tempfile.TemporaryDirectory(prefix="model-tools-") as folder:
        unpacked = unpack_artifact(artifact, Path(folder))
        gflop = _gflop(unpacked)
        compile_seconds = [
            _compile(contender, Path(folder), inputs, threads) for contender in contenders
        ]
        workers: list[EngineProcess] = []
        try:
            for contender in contenders:
                worker = EngineProcess(contender, Path(folder), inputs, threads)
                workers.append(worker)
            blocks: list[list[list[float]]] = []
            for number in range(rounds):
                blocks.append([worker.block(_BLOCK_SECONDS) for worker in workers])
                if progress is not None:
                    progress(number + 1)
            rss_mib = [worker.end() for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
    peak = peak_gflops_per_second()
    measurements = [
        _measurement(worker, compile_seconds[index], rss_mib[index], blocks, index, gflop, peak)
        for index, worker in enumerate(workers)
    ]
    return Benchmark(unpacked.manifest.name, threads, gflop, peak, measurements)


def peak_gflops_per_second() -> float:
    """Return the highest rate of several float32 matrix products on all cores, in GFLOP/s."""
    random = np.random.default_rng(0)
    first, second = (random.random((_MATRIX_SIDE, _MATRIX_SIDE), np.float32) for _ in range(2))
    fastest_seconds = float("inf")
    for _ in range(_MATRIX_RUNS):
        started = time.perf_counter()
        first @ second
        fastest_seconds = min(fastest_seconds, time.perf_counter() - started)
    return float(2 * _MATRIX_SIDE**3 / fastest_seconds / 1e9)


def _gflop(artifact: Artifact) -> float | None:
    split = artifact.manifest.split
    spec = split.input if split else artifact.manifest.input
    graph = artifact.directory / (split.graph if split else artifact.manifest.graph)
    sides = (spec.height_px or _IMAGE_SIDES_PX[0], spec.width_px or _IMAGE_SIDES_PX[1])
    shape = (1, *sides, 3) if spec.layout == "NHWC" else (1, 3, *sides)
    flop = flops_of(graph, spec.name, spec.dtype, shape)
    return flop / 1e9 if flop else None


def _compile(
    contender: Contender, folder: Path, images: list[ImageArray], threads: int
) -> float | None:
    """Return the duration in seconds of the first load, in which OpenVINO compiles the model.

    The compiled model is cached. The result is None for TensorFlow.
    """
    if contender.engine != OPENVINO:
        return None
    worker = EngineProcess(contender, folder, images, threads)
    worker.end()
    return worker.start.load_seconds


def _measurement(  # noqa: PLR0913, PLR0917 - all inputs of one row
    worker: EngineProcess,
    compile_seconds: float | None,
    rss_mib: float,
    blocks: list[list[list[float]]],
    index: int,
    gflop: float | None,
    peak: float,
) -> EngineMeasurement:
    start: StartTimes = worker.start
    milliseconds = [duration for block in blocks for duration in block[index]]
    ratios = [median(block[0]) / median(block[index]) for block in blocks]
    median_ms = median(milliseconds)
    gflops_per_second = gflop / median_ms * 1000 if gflop else None
    return EngineMeasurement(
        title=worker.title,
        compile_seconds=compile_seconds,
        load_seconds=start.load_seconds,
        first_ms=start.first_ms,
        median_ms=median_ms,
        p95_ms=quantiles(milliseconds, n=20)[-1] if len(milliseconds) > 1 else median_ms,
        frames_per_second=1000 / median_ms,
        rss_mib=rss_mib,
        runs=len(milliseconds),
        speed_up=median(ratios),
        gflops_per_second=gflops_per_second,
        share_of_peak=gflops_per_second / peak if gflops_per_second else None,
        milliseconds=milliseconds,
    )
