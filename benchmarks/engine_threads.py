"""Measurements of the engines' threads and CPU pinning, on an idle and on a busy machine.

    make benchmark-threads

One process loads all variants. Each round runs every variant, so that other load affects all
variants equally. For the busy measurements, four processes per processor run busy loops. Results
are medians of the wall time and of the processor time of one inference.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import openvino
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "lambda_src" / "inference")]

from model_tools.artifact.archive import unpack_artifact  # noqa: E402 - needs sys.path from above
from model_tools.formats.detect import find_model  # noqa: E402 - as above
from model_tools.formats.signatures import Choice  # noqa: E402 - as above
from model_tools.freezing.freeze import freeze  # noqa: E402 - as above
from shared.vision.tensorflow_runtime import TensorFlowRuntime  # noqa: E402 - as above
from testkit.pinned import pinned_artifact  # noqa: E402 - as above
from tools.busy_loops import busy_loop  # noqa: E402 - as above

_ROUNDS = 12
_RUNS_PER_ROUND = 10
_BUSY_PER_PROCESSOR = 4
_PROCESSORS = len(os.sched_getaffinity(0))

Run = Callable[[], Any]


@dataclass
class Variant:
    """An engine with its settings, and the times of its inferences in milliseconds."""

    title: str
    run: Run
    wall_ms: list[float] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """Run one inference and record its times."""
        began, used = time.perf_counter(), time.process_time()
        self.run()
        self.wall_ms.append((time.perf_counter() - began) * 1e3)
        self.processor_ms.append((time.process_time() - used) * 1e3)


def main() -> None:
    """Measure every variant, and print the table."""
    console = Console()
    table = Table("model", "engine", "idle ms", "busy ms", "idle processor ms", "busy processor ms")
    with tempfile.TemporaryDirectory() as folder:
        for name, graph in graphs(Path(folder)).items():
            console.log(f"{name}, idle")
            idle = variants(graph)
            measure(idle)
            busy = variants(graph)
            with ExitStack() as load:
                for _ in range(_BUSY_PER_PROCESSOR * _PROCESSORS):
                    load.enter_context(busy_loop())
                console.log(f"{name}, with {_BUSY_PER_PROCESSOR * _PROCESSORS} busy processes")
                measure(busy)
            for idle_variant, busy_variant in zip(idle, busy, strict=True):
                table.add_row(
                    name,
                    idle_variant.title,
                    *(
                        f"{statistics.median(values):.1f}"
                        for values in (
                            idle_variant.wall_ms,
                            busy_variant.wall_ms,
                            idle_variant.processor_ms,
                            busy_variant.processor_ms,
                        )
                    ),
                )
    console.print(table)


def graphs(folder: Path) -> dict[str, Path]:
    """Return the graph files of the sample detector and of MobileNetV2, by title."""
    place = folder / "shapes"
    place.mkdir()
    detector = unpack_artifact(pinned_artifact(ROOT), place)
    source = folder / "mobilenet.keras"
    keras.applications.MobileNetV2((224, 224, 3), weights=None).save(source)
    classifier = folder / "mobilenet.pb"
    classifier.write_bytes(freeze(find_model(source, folder).load(Choice())).graph)
    return {
        "shapes, 96 x 128": detector.directory / detector.manifest.graph,
        "MobileNetV2, 224 x 224": classifier,
    }


def variants(graph: Path) -> list[Variant]:
    """Return all variants for the graph, after three warm-up runs of each."""
    made = [
        Variant(
            f"OpenVINO, {threads} threads{', pinned' if pinned else ''}",
            _openvino(graph, threads, pinned=pinned),
        )
        for threads in sorted({1, _PROCESSORS})
        for pinned in (True, False)
    ]
    made += [
        Variant(f"TensorFlow, {threads} threads", _tensorflow(graph, threads))
        for threads in sorted({1, _PROCESSORS})
    ]
    for variant in made:
        for _ in range(3):
            variant.run()
    return made


def measure(variants: list[Variant]) -> None:
    """Measure every variant in each of 12 rounds, with 10 inferences per variant and round."""
    for _ in range(_ROUNDS):
        for variant in variants:
            for _ in range(_RUNS_PER_ROUND):
                variant.measure()


def _model(graph: Path) -> Any:
    model = openvino.Core().read_model(graph)
    (image,) = model.inputs
    shape = [1, *(side.get_length() for side in list(image.partial_shape)[1:])]
    model.reshape({image.any_name: shape})
    return model


def _noise(model: Any) -> Any:
    (image,) = model.inputs
    values = np.random.default_rng(0).integers(0, 255, list(image.shape))
    return values.astype(image.element_type.to_dtype())


def _openvino(graph: Path, threads: int, *, pinned: bool) -> Run:
    model = _model(graph)
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": pinned,
    }
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    feed = {model.inputs[0].any_name: _noise(model)}
    return lambda: request.infer(feed)


def _tensorflow(graph: Path, threads: int) -> Run:
    model = _model(graph)
    outputs = tuple(port.any_name for port in model.outputs)
    names = tuple(name if ":" in name else f"{name}:0" for name in outputs)
    runtime = TensorFlowRuntime(graph, names, threads=threads)
    name = model.inputs[0].any_name
    feed = {name if ":" in name else f"{name}:0": _noise(model)}
    return lambda: runtime.run(feed)


if __name__ == "__main__":
    main()
