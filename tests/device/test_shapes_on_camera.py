"""The real model, the real engine and drawn scenes: what the camera says is what was drawn."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from camera.messages import ModelIdentity
from camera.sources.folder import PictureFolderCamera
from model_tools.shapes.scenes import write_scenes
from shared.artifact.archive import open_artifact
from shared.vision.engine import ENGINES, open_engine
from tests.device.bench import Bench, ScriptedModels, environment
from tests.device.conftest import Unpacked
from tests.device.function_process import Function
from tests.device.greengrass_ipc import Core
from tests.device.schemas import DETECTION_MESSAGE
from tests.waiting import eventually

SCENES = 24
pytestmark = [pytest.mark.process, pytest.mark.slow]


def overlap(one: dict[str, float], other: dict[str, float]) -> float:
    """Intersection over union."""
    height = min(one["ymax"], other["ymax"]) - max(one["ymin"], other["ymin"])
    width = min(one["xmax"], other["xmax"]) - max(one["xmin"], other["xmin"])
    both = max(height, 0) * max(width, 0)
    areas = [(box["ymax"] - box["ymin"]) * (box["xmax"] - box["xmin"]) for box in (one, other)]
    return both / (sum(areas) - both)


def matched(said: list[dict[str, Any]], drawn: list[dict[str, Any]]) -> int:
    """How many drawn shapes were found: right label, box over at least half."""
    return sum(
        any(
            found["label"] == shape["label"] and overlap(found["box"], shape["box"]) >= 0.5
            for found in said
        )
        for shape in drawn
    )


def variables(shapes: Unpacked) -> dict[str, str]:
    return environment(
        DEEPLENS_MODEL_ARTIFACT=str(shapes.archive),
        DEEPLENS_MODEL_DIRECTORY=str(shapes.directory),
        DEEPLENS_MODEL_DIGEST=shapes.digest,
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_the_loop_says_what_is_on_each_scene(tmp_path: Path, shapes: Unpacked, engine: str) -> None:
    write_scenes(tmp_path, SCENES, seed=20261121)
    drawn = json.loads((tmp_path / "scenes.json").read_text())
    artifact = open_artifact(shapes.archive, shapes.directory, shapes.digest)
    camera = PictureFolderCamera(tmp_path)
    identity = ModelIdentity(artifact.manifest.name, artifact.manifest.version, artifact.digest)
    bench = Bench()
    bench.models = ScriptedModels(open_engine(engine, artifact), identity)
    bench.infer([camera.capture() for _ in range(SCENES)])

    said = {}
    for _, payload in bench.messages:
        document = json.loads(payload)
        jsonschema.validate(document, DETECTION_MESSAGE)
        assert document["model"]["digest"] == shapes.digest
        said[document["frame"]["source"]] = document["detections"]
    shapes_drawn = sum(len(on_it) for on_it in drawn.values())
    shapes_said = sum(len(found) for found in said.values())
    found = sum(matched(said.get(name, []), on_it) for name, on_it in drawn.items())
    assert found / shapes_drawn >= 0.9
    assert found / shapes_said >= 0.9


def test_the_function_publishes_detections_and_its_heartbeat_through_the_core(
    tmp_path: Path, shapes: Unpacked, core: Core, functions: list[Function]
) -> None:
    write_scenes(tmp_path / "camera", 4, seed=7)
    drawn = json.loads((tmp_path / "camera" / "scenes.json").read_text())
    function = Function(tmp_path, variables(shapes) | core.environment)
    functions.append(function)
    eventually(lambda: len(core.messages()) >= 8)
    eventually(lambda: any(beat["frames"] > 8 for beat in core.reported()))
    assert function.end() == 0, function.printed()

    statuses = [state["status"] for state in core.reported()]
    assert set(statuses[:-1]) <= {"starting", "running"}
    assert statuses[-1] == "stopped"
    running = next(state for state in core.reported() if state["status"] == "running")
    assert running["model"]["digest"] == shapes.digest
    assert running["frames_per_second"] > 0
    ids = [message["id"] for message in core.messages()]
    assert len(set(ids)) == len(ids)
    assert {qos for _, _, qos in core.published} == {1}
    right = [
        Counter(one["label"] for one in message["detections"])
        == Counter(one["label"] for one in drawn[message["frame"]["source"]])
        for message in core.messages()
    ]
    assert sum(right) / len(right) >= 0.7


@pytest.mark.parametrize("after_seconds", [0.2, 0.7, 1.2, 2.0])
def test_sigterm_while_tensorflow_loads_ends_the_function_cleanly(
    tmp_path: Path,
    shapes: Unpacked,
    core: Core,
    functions: list[Function],
    after_seconds: float,
) -> None:
    tensorflow = {"DEEPLENS_ENGINE": "tensorflow"}
    function = Function(tmp_path, variables(shapes) | core.environment | tensorflow)
    functions.append(function)
    eventually(core.reported)
    time.sleep(after_seconds)
    assert function.end() == 0, function.printed()
    # Loading takes the processor from the thread that reports, and the end does not wait for long.
    assert core.reported()[-1]["status"] == "stopped" or function.has_given_up("Heartbeat")
