"""Measurements of drift detection on the camera: delay and false alarms, with the sample detector.

    make benchmark-drift

Each seed is a camera with 24 scenes that repeat. Repeated scenes are harder than new ones, because
their rare detections remain rare. Each kind of shift follows 400 frames without a shift.
"""

import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "lambda_src" / "inference")]

from model_tools.artifact.archive import unpack_artifact  # noqa: E402 - needs sys.path from above
from shared.artifact.drift_baseline import brightness_and_sharpness  # noqa: E402 - as above
from shared.vision.engine import open_engine  # noqa: E402 - as above
from testkit.drift_scenes import SHIFTS, WatchedCamera, looked_at  # noqa: E402 - as above

SEEDS = 25
CALM_FRAMES = 400
MOST_FRAMES = 200
LOOKS = 100


def main() -> None:
    """Measure the drift detection and print the results."""
    console = Console()
    # Warnings would interrupt the output.
    logging.disable(logging.WARNING)
    (archive,) = (ROOT / "models" / "shapes").glob("*/model.zip")
    with tempfile.TemporaryDirectory() as folder:
        artifact = unpack_artifact(archive, Path(folder))
        engine = open_engine("openvino", artifact)
        alarms, largest = 0, 0.0
        took: dict[str, list[int]] = {name: [] for name in SHIFTS}
        for seed in range(SEEDS):
            console.log(f"camera {seed + 1} of {SEEDS}")
            calm = looked_at(engine, seed)
            shifted = {name: looked_at(engine, seed, how) for name, (how, _) in SHIFTS.items()}
            watched = WatchedCamera(artifact.manifest.baseline)
            for _ in range(CALM_FRAMES):
                watched.observe([calm[watched.frames % len(calm)]], 1)
                largest = max(largest, *watched.distances)
            alarms += watched.changes
            for name, (_, feature) in SHIFTS.items():
                camera = WatchedCamera(artifact.manifest.baseline)
                camera.observe(calm, CALM_FRAMES)
                took[name].append(camera.observe(shifted[name], MOST_FRAMES, until=feature))
    table = Table("what happens", "frames until it is noticed: median", "most")
    for name, frames in took.items():
        table.add_row(name, f"{np.median(frames):g}", str(max(frames)))
    console.print(table)
    seen = SEEDS * CALM_FRAMES
    console.print(f"false alarms: {alarms} in {seen} frames of {SEEDS} cameras without a shift")
    console.print(f"the largest distance there was {largest:.2f}")
    console.print(f"a look at 1280 x 720 takes {_look_ms():.1f} ms, twice a second")


def _look_ms() -> float:
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    began = time.perf_counter()
    for _ in range(LOOKS):
        brightness_and_sharpness(picture)
    return (time.perf_counter() - began) / LOOKS * 1000


if __name__ == "__main__":
    main()
