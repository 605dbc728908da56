"""With the pinned model, the camera publishes the shapes that are drawn in the scenes."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from camera.cameras.folder import ImageFolderCamera
from model_tools.samples.shapes.drawing import write_scenes
from shared.artifact.archive import open_artifact
from shared.messages.heartbeat import ModelIdentity
from shared.vision.engine import ENGINES, open_engine
from testkit.greengrass_ipc import Core
from testkit.waiting import eventually
from tests.device.bench import Bench, ScriptedModels, environment
from tests.device.conftest import Unpacked
from tests.device.function_process import Function
from tests.device.schemas import DETECTION_MESSAGE

SCENES = 24
pytestmark = [pytest.mark.process, pytest.mark.slow]


def overlap(box: dict[str, float], other: dict[str, float]) -> float:
    """Return the intersection over union of two boxes."""
    height = min(box["ymax"], other["ymax"]) - max(box["ymin"], other["ymin"])
    width = min(box["xmax"], other["xmax"]) - max(box["xmin"], other["xmin"])
    both = max(height, 0) * max(width, 0)
    areas = [(each["ymax"] - each["ymin"]) * (each["xmax"] - each["xmin"]) for each in (box, other)]
    return both / (sum(areas) - both)


def matched(published: list[dict[str, Any]], drawn: list[dict[str, Any]]) -> int:
    """Return the number of drawn shapes with a detection of the same label and an IoU >= 0.5."""
    return sum(
        any(
            detection["label"] == shape["label"] and overlap(detection["box"], shape["box"]) >= 0.5
            for detection in published
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
def test_the_loop_publishes_the_shapes_of_each_scene(
    tmp_path: Path, shapes: Unpacked, engine: str
) -> None:
    write_scenes(tmp_path, SCENES, seed=20261121)
    drawn = json.loads((tmp_path / "scenes.json").read_text())
    artifact = open_artifact(shapes.archive, shapes.directory, shapes.digest)
    camera = ImageFolderCamera(tmp_path)
    identity = ModelIdentity(artifact.manifest.name, artifact.manifest.version, artifact.digest)
    bench = Bench()
    bench.models = ScriptedModels(open_engine(engine, artifact), identity)
    bench.infer([camera.capture() for _ in range(SCENES)])

    published = {}
    for _, payload in bench.messages:
        document = json.loads(payload)
        jsonschema.validate(document, DETECTION_MESSAGE)
        assert document["model"]["digest"] == shapes.digest
        published[document["frame"]["source"]] = document["detections"]
    shapes_drawn = sum(len(on_it) for on_it in drawn.values())
    published_shapes = sum(map(len, published.values()))
    correct = sum(matched(published.get(name, []), on_it) for name, on_it in drawn.items())
    assert correct / shapes_drawn >= 0.9
    assert correct / published_shapes >= 0.9


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
        Counter(detection["label"] for detection in message["detections"])
        == Counter(shape["label"] for shape in drawn[message["frame"]["source"]])
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
    # Loading TensorFlow can block the heartbeat thread for longer than the shutdown waits.
    assert core.reported()[-1]["status"] == "stopped" or function.has_given_up("Heartbeat")
