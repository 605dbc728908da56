"""Latency of requests to `deeplens model serve`: plain and accelerated, with and without batching.

    make benchmark-serving

Two models receive requests from 1 and from 16 concurrent clients for some seconds: three dense
layers with four values as input, and a convolutional network with an image of 32 x 32 pixels. As a
baseline, this process calls the same model without HTTP and JSON. The rate of these calls is the
maximum for a server with one thread.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import click
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "lambda_src" / "inference")]

from model_tools.serving.engines import ENGINES, load_engine  # noqa: E402 - needs sys.path from above
from model_tools.serving.signatures import read_servable  # noqa: E402 - as above

SHAPES = {"dense": (4,), "convolutions": (32, 32, 3)}
CLIENTS = (1, 16)
BATCHING = {"": (), "batched": ("--enable-batching", "--max-batch-size", "16")}


@dataclass(frozen=True)
class Performance:
    """The requests per second and the latency of a server, for a number of concurrent clients."""

    per_second: float
    median_ms: float
    p95_ms: float


def write_model(name: str, folder: Path) -> None:
    """Write an untrained model; training does not change a model's speed."""
    import keras  # noqa: PLC0415 - takes seconds to import

    layers: list[Any] = [keras.layers.Input(SHAPES[name])]
    if name == "convolutions":
        layers += [
            keras.layers.Conv2D(channels, 3, 2, "same", activation="relu")
            for channels in (64, 128, 256)
        ]
        layers.append(keras.layers.GlobalAveragePooling2D())
    else:
        layers += [keras.layers.Dense(units, "relu") for units in (10, 20, 10)]
    layers.append(keras.layers.Dense(3, "softmax"))
    keras.Sequential(layers).export(str(folder / "1"), verbose=False)


@contextmanager
def server(folder: Path, engine: str, options: tuple[str, ...]) -> Iterator[str]:
    """Start `serve` on a free port, and yield the URL of the model's `predict` API."""
    command = [
        sys.executable, "-m", "model_tools", "serve", "--model-name", "m", "--model-base-path",
        str(folder), "--port", "0", "--engine", engine, "--json", *options,
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - narrows the type: stdout is a pipe
            yield json.loads(process.stdout.readline())["url"] + "/v1/models/m:predict"
        finally:
            process.terminate()


async def ask(url: str, body: bytes, clients: int, seconds: float) -> Performance:
    """Measure the requests of concurrent clients, each with one open request, after a warm-up."""
    took: list[float] = []
    end = 0.0

    async def client(session: aiohttp.ClientSession) -> None:
        while (began := time.perf_counter()) < end:
            async with session.post(url, data=body) as answer:
                answer.raise_for_status()
                await answer.read()
            took.append((time.perf_counter() - began) * 1000)

    async with aiohttp.ClientSession() as session:
        for warm_up in (seconds / 4, seconds):
            took.clear()
            began, end = time.perf_counter(), time.perf_counter() + warm_up
            await asyncio.gather(*[client(session) for _ in range(clients)])
        passed = time.perf_counter() - began
    return Performance(len(took) / passed, statistics.median(took), float(np.percentile(took, 95)))


def alone(folder: Path, shape: tuple[int, ...], seconds: float) -> Performance:
    """Measure direct calls of the model in this process during `seconds`."""
    servable = read_servable(folder / "1")
    ((key, signature),) = [
        (key, item) for key, item in servable.signatures.items() if key == "serving_default"
    ]
    engine = load_engine("tensorflow", servable)
    feed = {next(iter(signature.inputs)): np.zeros((1, *shape), np.float32)}
    took = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        engine.run(key, feed)
        took.append((time.perf_counter() - began) * 1000)
    return Performance(len(took) / seconds, statistics.median(took), float(np.percentile(took, 95)))


@click.command(help=__doc__)
@click.option("--seconds", default=4.0, show_default=True, help="For each row.")
def main(seconds: float) -> None:
    """Measure every server and print a table."""
    table = Table("model", "engine", "clients", "", "per s", "median ms", "p95 ms")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        for name, shape in SHAPES.items():
            folder = Path(temporary) / name
            write_model(name, folder)
            _row(table, [name, "tensorflow", "-", "no server"], alone(folder, shape, seconds))
            pixels = np.random.default_rng(0).uniform(0, 1, (1, *shape)).round(4)
            body = json.dumps({"instances": pixels.tolist()}).encode()
            for engine in ENGINES:
                for title, options in BATCHING.items():
                    with server(folder, engine, options) as url:
                        for clients in CLIENTS:
                            performance = asyncio.run(ask(url, body, clients, seconds))
                            _row(table, [name, engine, str(clients), title], performance)
    Console(width=None if sys.stdout.isatty() else 100).print(table)


def _row(table: Table, titles: list[str], performance: Performance) -> None:
    sys.stderr.write(f"{' '.join(titles)}: {performance.per_second:.0f} per s\n")
    table.add_row(
        *titles,
        f"{performance.per_second:.0f}",
        f"{performance.median_ms:.2f}",
        f"{performance.p95_ms:.2f}",
    )


if __name__ == "__main__":
    main()
