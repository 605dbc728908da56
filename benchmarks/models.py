"""Measurements of model_tools and its engines, with baselines from the same run.

    make benchmark-models

The measurements are:

- freezing a SavedModel of about 100 MB, compared with TensorFlow's calls alone
- packaging, compared with zlib's compression of the same bytes
- ResNet-50, and the sample detector if it exists, in TensorFlow and accelerated
- the time of `deeplens model --help`
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = Path(os.environ.get("DEEPLENS_SAMPLE_DATA", ROOT.parent / "shared" / "data"))
DETECTOR = "ssd_mobilenet_v1_coco.tar.gz"
ROUNDS = 3

_BUILD = """
import sys, keras
keras.utils.set_random_seed(0)
side = int(sys.argv[2])
model = keras.applications.ResNet50(weights=None, input_shape=(side, side, 3), classes=1000)
model.export(sys.argv[1], verbose=False)
"""

# A script that does the minimum work of freezing: load, convert variables to constants, and write.
_BARE = """
import sys, time, resource
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
loaded = tf.saved_model.load(sys.argv[1])
frozen = convert_variables_to_constants_v2(loaded.signatures["serving_default"])
open(sys.argv[2], "wb").write(frozen.graph.as_graph_def().SerializeToString(deterministic=True))
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)
"""

_OURS = """
import sys, time, resource
from pathlib import Path
import tensorflow as tf
from model_tools.freezing import freeze as freezing
from model_tools.formats.detect import find_model
from model_tools.formats.signatures import Choice
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
model = find_model(Path(sys.argv[1]), Path(sys.argv[2]).parent).load(Choice())
graph, inputs, outputs = freezing.optimised(model)
Path(sys.argv[2]).write_bytes(graph.SerializeToString(deterministic=True))
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)
"""


@dataclass(frozen=True)
class Row:
    """A measurement with its goal."""

    name: str
    value: str
    ratio: float
    goal: str
    met: bool


def main() -> int:
    """Run all measurements and return the exit code: 1 if a goal is missed."""
    console = Console(width=None if sys.stdout.isatty() else 130)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        console.print("building ResNet-50 in two sizes (about 30 s) …")
        for side in (224, 84):
            _python(_BUILD, folder / f"resnet{side}", side)
        console.print("freezing against TensorFlow's bare calls …")
        rows += _freezing(folder)
        console.print("packaging against zlib …")
        rows.append(_packaging(folder))
        for side in (224, 84):
            console.print(f"ResNet-50 {side}, plain against accelerated …")
            rows += _engines(folder, f"resnet{side}", side)
        if (SAMPLES / DETECTOR).is_file():
            console.print("the sample detector, plain against accelerated …")
            rows += _detector(folder)
        else:
            console.print(f"skipped: {SAMPLES / DETECTOR} is not there")
    rows.append(_help())
    table = Table("measurement", "measured", "ratio", "goal", "met")
    for row in rows:
        met = "yes" if row.met else "no"
        table.add_row(row.name, row.value, f"{row.ratio:.2f}", row.goal, met)
    console.print(table)
    return 0 if all(row.met for row in rows) else 1


def _freezing(folder: Path) -> list[Row]:
    source = folder / "resnet224"
    size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
    runs: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
    for _ in range(ROUNDS):
        for key, script in (("bare", _BARE), ("ours", _OURS)):
            seconds, kibibytes = _python(script, source, folder / f"{key}.pb").split()
            runs[key].append((float(seconds), float(kibibytes) * 1024))
    ratio = median(ours[0] / bare[0] for ours, bare in zip(runs["ours"], runs["bare"], strict=True))
    memory, least = (median(run[1] for run in runs[key]) / size for key in ("ours", "bare"))
    seconds_taken = median(run[0] for run in runs["ours"])
    return [
        Row(f"freeze {size / 1e6:.0f} MB", f"{seconds_taken:.1f} s", ratio, "<= 1.3", ratio <= 1.3),
        Row("its memory, of the model", f"bare calls: {least:.1f}", memory, "<= 4", memory <= 4),
    ]


def _packaging(folder: Path) -> Row:
    frozen = folder / "frozen-resnet224"
    _model_tools("freeze", folder / "resnet224", frozen)
    content = (frozen / "frozen_model.pb").read_bytes()
    _labels(folder)
    ratios = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        (folder / "baseline.z").write_bytes(zlib.compress(content, 6))
        baseline = time.perf_counter() - began
        script = (
            "import sys, time, pathlib\n"
            "from model_tools.reproducible_archives import zip_bytes\n"
            "content = pathlib.Path(sys.argv[1]).read_bytes()\n"
            "began = time.perf_counter()\n"
            "pathlib.Path(sys.argv[2]).write_bytes(zip_bytes({'frozen_model.pb': content}))\n"
            "print(time.perf_counter() - began)\n"
        )
        ours = float(_python(script, frozen / "frozen_model.pb", folder / f"{number}.zip"))
        ratios.append(baseline / ours)
    ratio = median(ratios)
    return Row("package, speed of zlib", f"{ratio:.0f} x", ratio, ">= 0.8", ratio >= 0.8)


def _engines(folder: Path, name: str, side: int) -> list[Row]:
    frozen = folder / f"frozen-{name}"
    if not frozen.is_dir():
        _model_tools("freeze", folder / name, frozen)
    packaged = json.loads(
        _model_tools(
            "package", frozen, "--labels", _labels(folder), "--name", name, "--mean", "127.5",
            "--scale", "0.00784313725", "--models", folder / "models", "--json",
        )
    )  # fmt: skip
    return _bench(packaged["path"], f"ResNet-50 {side}", (1.5, 3.0))


def _detector(folder: Path) -> list[Row]:
    subprocess.run(["tar", "xzf", SAMPLES / DETECTOR, "-C", folder], check=True)
    _model_tools("freeze", folder / "frozen_inference_graph.pb", folder / "detector")
    packaged = json.loads(
        _model_tools(
            "package", folder / "detector", "--labels", folder / "mscoco_label_map.pbtxt",
            "--name", "detector", "--models", folder / "models", "--json",
        )
    )  # fmt: skip
    return _bench(packaged["path"], "SSD MobileNet v1", (1.7, None))


def _bench(artifact: str, title: str, goals: tuple[float, float | None]) -> list[Row]:
    # `bench` loads each engine twice: the first load compiles the model, and the second uses the
    # cache.
    pictures = ("--picture", SAMPLES / "3dogs.jpg") if (SAMPLES / "3dogs.jpg").is_file() else ()
    results = json.loads(
        _model_tools("bench", artifact, "--bf16", "--rounds", "16", *pictures, "--json")
    )
    plain, fast, bf16 = results["contenders"]
    goal, bf16_goal = goals
    share = fast["rss_mib"] / plain["rss_mib"]
    rows = [
        Row(
            f"{title}, f32", f"{fast['median_ms']:.1f} ms", fast["speed_up"], f">= {goal}",
            fast["speed_up"] >= goal,
        ),
        Row(f"{title}, memory", f"{fast['rss_mib']:.0f} MiB", share, "<= 0.33", share <= 1 / 3),
        Row(
            f"{title}, load to first answer", f"{fast['load_seconds']:.2f} s",
            fast["load_seconds"], "< 1 s", fast["load_seconds"] + fast["first_ms"] / 1000 < 1,
        ),
    ]  # fmt: skip
    if bf16_goal is not None:
        rows.append(
            Row(
                f"{title}, bf16", f"{bf16['median_ms']:.1f} ms", bf16["speed_up"],
                f">= {bf16_goal}", bf16["speed_up"] >= bf16_goal,
            )
        )  # fmt: skip
    return rows


def _help() -> Row:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        _model_tools("--help")
        times.append(time.perf_counter() - began)
    taken = median(times)
    return Row("model-tools --help", f"{taken:.2f} s", taken, "< 0.3 s", taken < 0.3)


def _labels(folder: Path) -> Path:
    file = folder / "labels.txt"
    file.write_text("\n".join(f"class {number}" for number in range(1000)))
    return file


def _model_tools(*arguments: object) -> str:
    return _run(ROOT / ".venv/bin/deeplens", "model", *arguments)


def _python(script: str, *arguments: object) -> str:
    return _run(sys.executable, "-W", "ignore", "-c", script, *arguments)


def _run(*command: object) -> str:
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise SystemExit(f"{command[0]}: {result.stderr[-2000:]}")
    return result.stdout


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
