"""Every host and engine returns the same detections for the same images and model."""

from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from camera.cameras.folder import ImageFolderCamera
from model_tools.samples.shapes.drawing import write_scenes
from shared.artifact.archive import open_artifact
from shared.vision.engine import ENGINES, open_engine
from testkit.greengrass_ipc import Core
from testkit.waiting import eventually
from tests.device.bench import environment
from tests.device.conftest import Unpacked
from tests.device.hosts import HOSTS, start

SCENES = 5
pytestmark = [pytest.mark.process, pytest.mark.slow]

Detections = list[dict[str, Any]]


def same(published: Detections, expected: Detections) -> bool:
    """Return true if both lists have equal detections; scores and boxes may differ by 0.001."""
    return len(published) == len(expected) and all(
        any(
            detection["label"] == other["label"]
            and detection["score"] == pytest.approx(other["score"], abs=1e-3)
            and detection["box"] == pytest.approx(other["box"], abs=1e-3)
            for other in expected
        )
        for detection in published
    )


@pytest.fixture(scope="module")
def expected(shapes: Unpacked, tmp_path_factory: pytest.TempPathFactory) -> list[Detections]:
    """The detections of the reference engine for each frame, with scores of at least 0.5."""
    scenes = tmp_path_factory.mktemp("scenes")
    write_scenes(scenes, SCENES, seed=3)
    artifact = open_artifact(shapes.archive, shapes.directory, shapes.digest)
    engine, camera = open_engine("tensorflow", artifact), ImageFolderCamera(scenes)
    frames = [engine.infer(camera.capture().image) for _ in range(SCENES)]
    return [
        [asdict(detection) for detection in frame if detection.score >= 0.5] for frame in frames
    ]


@pytest.mark.parametrize(("host", "engine"), [*product(HOSTS, ENGINES), ("deeplens", "awscam")])
def test_every_host_and_engine_publishes_the_same(  # noqa: PLR0913, PLR0917 - each parameter is a fixture
    tmp_path: Path,
    shapes: Unpacked,
    core: Core,
    expected: list[Detections],
    host: str,
    engine: str,
) -> None:
    write_scenes(tmp_path / "camera", SCENES, seed=3)
    variables = environment(
        DEEPLENS_MODEL_ARTIFACT=str(shapes.archive),
        DEEPLENS_MODEL_DIRECTORY=str(shapes.directory),
        DEEPLENS_MODEL_DIGEST=shapes.digest,
        DEEPLENS_ENGINE=engine,
    )
    running = start(host, tmp_path, variables, core)

    def published() -> list[Detections]:
        messages = running.messages()
        return [message["detections"] for message in messages if "detections" in message]

    try:
        eventually(
            lambda: (
                all(
                    any(same(detections, frame) for detections in published()) for frame in expected
                )
                or running.process.poll() is not None
            )
        )
        assert running.end() == 0, running.printed()
    finally:
        running.process.kill()
        running.process.wait()
    for detections in published():
        assert any(same(detections, frame) for frame in expected), (detections, running.printed())
