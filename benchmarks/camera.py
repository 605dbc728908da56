"""Figures of the loop on the camera, with the detector of drawn shapes and its real graph.

    make benchmark-camera

Loop overhead against the bare engine call, frames per second against the loop of the original
guide on the same machine and graph, the start until the first detection reaches Greengrass, and
the memory of the loop without an engine.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "lambda_src" / "inference")]

from camera.application import Application, Parts  # noqa: E402 - found on the path above
from camera.frames import Frame  # noqa: E402 - as above
from camera.inference import LoadedModel  # noqa: E402 - as above
from camera.live_settings import LiveSettings  # noqa: E402 - as above
from camera.messages import ModelIdentity, detection_message  # noqa: E402 - as above
from camera.settings import Settings  # noqa: E402 - as above
from camera.spool import Spool  # noqa: E402 - as above
from model_tools.shapes.scenes import write_scenes  # noqa: E402 - as above
from shared.artifact.archive import Artifact, open_artifact, sha256_of  # noqa: E402 - as above
from shared.vision.detections import Detection  # noqa: E402 - as above
from shared.vision.engine import InferenceEngine, open_engine  # noqa: E402 - as above
from tests.device.greengrass_ipc import Core, serving  # noqa: E402 - as above

DEVICE_PYTHON = ROOT / ".venv-device" / "bin" / "python"
THING = "bench"
FRAME_SECONDS = 1 / 30
FRAMES = 300
STARTS = 3

# As a camera has it: nothing but the loop, Greengrass' client and an engine that does nothing.
_LOOP_ALONE = """
import sys, threading, time
from datetime import UTC, datetime
from pathlib import Path
import awsiot.greengrasscoreipc.clientv2
import numpy as np
from camera.application import Application, Parts
from camera.frames import Frame
from camera.inference import LoadedModel
from camera.live_settings import LiveSettings
from camera.messages import ModelIdentity
from camera.settings import Settings
from camera.spool import Spool
from shared.vision.detections import Box, Detection

class Camera:
    is_live = is_stream = False
    picture = np.full((720, 1280, 3), 90, np.uint8)
    def capture(self):
        return Frame(self.picture.copy(), datetime.now(UTC), "memory")
    def close(self): pass

class Engine:
    name = "none"
    def infer(self, picture):
        return [Detection("cat", 0.9, Box(0.1, 0.1, 0.5, 0.5))]

class Models:
    def load(self):
        return LoadedModel(ModelIdentity("none", "1.0.0", "0" * 64), Engine())
    def frame_done(self): pass
    def withdraw(self): pass

class Publisher:
    def publish(self, topic, payload): pass
    def close(self): pass

application = Application(
    Settings(
        thing="bench", function_arn=None, artifact=Path(), model_directory=Path(),
        model_digest="0" * 64, camera="memory", engine="openvino", topic="t",
        heartbeat_interval_seconds=1.0,
        live=LiveSettings(threshold=0.5, frame_interval_seconds=1 / 30),
    ),
    Parts(camera=Camera(), models=Models(), publisher=Publisher(), subscriber=None,
          spool=Spool(Path(sys.argv[1]))),
)
application.start()
time.sleep(5)
line = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(int(line.split()[1]) / 1024)
application.stop()
"""


@dataclass(frozen=True)
class Figure:
    """One measurement beside its goal."""

    what: str
    value: str
    goal: str
    met: bool


class PictureCamera:
    """Pictures of the sample scenes, from memory, as fast as they are asked for."""

    is_live = False
    is_stream = False

    def __init__(self, pictures: Sequence[Any]) -> None:
        self._pictures = list(pictures)
        self._number = 0

    def capture(self) -> Frame:
        """Return the next picture."""
        self._number += 1
        picture = self._pictures[self._number % len(self._pictures)]
        return Frame(picture, datetime.now(UTC), f"{self._number}")

    def close(self) -> None:
        """Nothing is open."""


class Timed:
    """An engine, and how long each call of it took."""

    def __init__(self, engine: InferenceEngine) -> None:
        self.name = engine.name
        self.taken_ms: list[float] = []
        self._engine = engine

    def infer(self, picture: Any) -> list[Detection]:
        """Find what the engine finds."""
        began = time.perf_counter()
        found = self._engine.infer(picture)
        self.taken_ms.append((time.perf_counter() - began) * 1000)
        return found


@dataclass
class Taken:
    """A publisher that takes everything at once."""

    messages: int = 0

    def publish(self, topic: str, payload: bytes) -> None:
        """Count it."""
        del topic, payload
        self.messages += 1

    def close(self) -> None:
        """Do nothing."""


@dataclass
class Models:
    """One model, always good."""

    engine: InferenceEngine
    done: threading.Event = field(default_factory=threading.Event)
    frames: int = 0

    def load(self) -> LoadedModel:
        """Return it."""
        return LoadedModel(ModelIdentity("shapes", "1.0.0", "0" * 64), self.engine)

    def frame_done(self) -> None:
        """Count a frame."""
        self.frames += 1
        if self.frames >= FRAMES:
            self.done.set()

    def withdraw(self) -> None:
        """Nothing is kept."""


def application(
    engine: Any, camera: Any, state: str, *, interval_seconds: float = FRAME_SECONDS
) -> Application:
    """Return the real loop around an engine and a camera."""
    models = Models(engine)
    made = Application(
        Settings(
            thing=THING,
            function_arn=None,
            artifact=Path("model.zip"),
            model_directory=Path("model"),
            model_digest="0" * 64,
            camera="memory",
            engine="openvino",
            topic=f"deeplens/{THING}/infer",
            heartbeat_interval_seconds=5.0,
            live=LiveSettings(threshold=0.5, frame_interval_seconds=interval_seconds),
        ),
        Parts(
            camera=camera,
            models=models,
            publisher=Taken(),
            subscriber=None,
            spool=Spool(Path(state)),
        ),
    )
    made.models = models  # type: ignore[attr-defined]
    return made


def main() -> int:
    """Measure everything; return 1 if a goal is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scenes(folder / "scenes", 20, seed=0)
        artifact = _unpacked(folder)
        figures = [*_loop(folder, artifact), _start(folder, artifact), _memory(folder)]
    table = Table("what", "measured", "goal", "")
    for figure in figures:
        table.add_row(figure.what, figure.value, figure.goal, "met" if figure.met else "missed")
    Console().print(table)
    return 0 if all(figure.met for figure in figures) else 1


def _unpacked(folder: Path) -> Artifact:
    archive = next((ROOT / "models" / "shapes").glob("*/model.zip"))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder / "model")
    return open_artifact(archive, folder / "model", sha256_of(archive))


def _loop(folder: Path, artifact: Artifact) -> list[Figure]:
    from PIL import Image  # noqa: PLC0415 - not needed for the rest

    files = sorted((folder / "scenes").glob("*.png"))
    pictures = [np.array(Image.open(file).convert("RGB")) for file in files]
    engine = open_engine("openvino", artifact)
    timed = Timed(engine)
    paced = application(timed, PictureCamera(pictures), str(folder / "paced"))
    with _running(paced) as models:
        models.done.wait(120)
        # Camera to decision of each frame, less the engine call on that very frame.
        latency_ms = paced.heartbeat.document()["state"]["reported"]["latency_ms"]["p50"]
    bare_ms = statistics.median(timed.taken_ms)
    overhead_ms = latency_ms - bare_ms
    share = overhead_ms / (FRAME_SECONDS * 1000)
    rate = _rate(engine, pictures, folder)
    guide = _guide(files, artifact)
    return [
        Figure(
            "loop over the bare engine call, of a frame's time at 30 fps",
            f"{share:.1%} ({latency_ms:.2f} ms, the engine {bare_ms:.2f} ms)",
            "at most 5 %",
            share <= 0.05,
        ),
        Figure(
            "frames per second against the original guide's loop",
            f"{rate / guide:.1f} x ({rate:.0f} against {guide:.0f})",
            "over 1 x",
            rate > guide,
        ),
    ]


def _rate(engine: InferenceEngine, pictures: Sequence[Any], folder: Path) -> float:
    """Frames per second of the loop when the camera is never what it waits for."""
    fast = application(
        engine, PictureCamera(pictures), str(folder / "fast"), interval_seconds=0.005
    )
    began = time.perf_counter()
    with _running(fast) as models:
        models.done.wait(120)
        return models.frames / (time.perf_counter() - began)


def _guide(files: Sequence[Path], artifact: Artifact) -> float:
    """Frames per second of one thread: open a picture, run a TensorFlow session, say it."""
    from PIL import Image  # noqa: PLC0415 - as above

    engine = open_engine("tensorflow", artifact)
    taken = Taken()
    identity = ModelIdentity("shapes", "1.0.0", "0" * 64)
    began = time.perf_counter()
    for number in range(FRAMES):
        file = files[number % len(files)]
        image = np.array(Image.open(file).convert("RGB"))
        found = [one for one in engine.infer(image) if one.score >= 0.5]
        frame = Frame(image, datetime.now(UTC), file.name)
        taken.publish(
            "topic",
            detection_message(
                thing=THING,
                message_id=f"{number}",
                model=identity,
                frame=frame,
                inference_ms=0.0,
                detections=found,
            ),
        )
    return FRAMES / (time.perf_counter() - began)


def _start(folder: Path, artifact: Artifact) -> Figure:
    """From the process to a detection at Greengrass' socket, with a compiled model kept."""
    seconds = []
    for _ in range(STARTS + 1):
        core = Core(folder / "ipc.socket")
        with serving(core):
            began = time.perf_counter()
            process = subprocess.Popen(
                [DEVICE_PYTHON, "-m", "camera"],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                env={
                    **os.environ,
                    **core.environment,
                    "PYTHONPATH": str(ROOT / "lambda_src" / "inference"),
                    "AWS_IOT_THING_NAME": THING,
                    "DEEPLENS_MODEL_ARTIFACT": str(
                        next((ROOT / "models" / "shapes").glob("*/model.zip"))
                    ),
                    "DEEPLENS_MODEL_DIRECTORY": str(folder / "model"),
                    "DEEPLENS_MODEL_DIGEST": artifact.digest,
                    "DEEPLENS_CAMERA": "folder:scenes",
                    "DEEPLENS_THRESHOLD": "0.3",
                    "DEEPLENS_TOPIC": "deeplens/{thing}/infer",
                    "DEEPLENS_FRAME_INTERVAL_SECONDS": "0.03",
                    "DEEPLENS_HEARTBEAT_INTERVAL_SECONDS": "5",
                },
            )
            while not any("detections" in one for one in core.messages()):
                time.sleep(0.005)
                if process.poll() is not None or time.perf_counter() - began > 60:
                    break
            seconds.append(time.perf_counter() - began)
            process.terminate()
            process.wait(20)
    # The first start compiles.
    took = statistics.median(seconds[1:])
    return Figure("start to the first detection", f"{took:.2f} s", "under 3 s", took < 3)


def _memory(folder: Path) -> Figure:
    answer = subprocess.run(
        [DEVICE_PYTHON, "-c", _LOOP_ALONE, str(folder / "alone")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "lambda_src" / "inference")},
        capture_output=True,
        text=True,
        check=True,
    )
    mib = float(answer.stdout.strip().splitlines()[-1])
    return Figure("memory of the loop without an engine", f"{mib:.0f} MiB", "under 60", mib < 60)


@contextmanager
def _running(made: Application) -> Iterator[Models]:
    made.start()
    try:
        yield made.models  # type: ignore[attr-defined]
    finally:
        made.stop()


if __name__ == "__main__":
    sys.exit(main())
