"""The same pictures and the same model give the same detections in every home, on every engine."""

from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from camera.sources.folder import PictureFolderCamera
from model_tools.shapes.scenes import write_scenes
from shared.artifact.archive import open_artifact
from shared.vision.engine import ENGINES, open_engine
from tests.device.bench import environment
from tests.device.conftest import Unpacked
from tests.device.greengrass_ipc import Core
from tests.device.homes import HOMES, start
from tests.waiting import eventually

SCENES = 5
pytestmark = [pytest.mark.process, pytest.mark.slow]

Detections = list[dict[str, Any]]


def same(said: Detections, expected: Detections) -> bool:
    """Whether each detection has one of the same label, score and place, to a thousandth."""
    return len(said) == len(expected) and all(
        any(
            one["label"] == other["label"]
            and one["score"] == pytest.approx(other["score"], abs=1e-3)
            and one["box"] == pytest.approx(other["box"], abs=1e-3)
            for other in expected
        )
        for one in said
    )


@pytest.fixture(scope="module")
def expected(shapes: Unpacked, tmp_path_factory: pytest.TempPathFactory) -> list[Detections]:
    """What the reference engine finds, frame by frame."""
    scenes = tmp_path_factory.mktemp("scenes")
    write_scenes(scenes, SCENES, seed=3)
    artifact = open_artifact(shapes.archive, shapes.directory, shapes.digest)
    engine, camera = open_engine("tensorflow", artifact), PictureFolderCamera(scenes)
    found = [engine.infer(camera.capture().image) for _ in range(SCENES)]
    return [[asdict(one) for one in frame if one.score >= 0.5] for frame in found]


@pytest.mark.parametrize(("home", "engine"), [*product(HOMES, ENGINES), ("deeplens", "awscam")])
def test_every_home_and_engine_says_the_same(  # noqa: PLR0913, PLR0917 - a test takes its fixtures
    tmp_path: Path,
    shapes: Unpacked,
    core: Core,
    expected: list[Detections],
    home: str,
    engine: str,
) -> None:
    write_scenes(tmp_path / "camera", SCENES, seed=3)
    variables = environment(
        DEEPLENS_MODEL_ARTIFACT=str(shapes.archive),
        DEEPLENS_MODEL_DIRECTORY=str(shapes.directory),
        DEEPLENS_MODEL_DIGEST=shapes.digest,
        DEEPLENS_ENGINE=engine,
    )
    running = start(home, tmp_path, variables, core)

    def said() -> list[Detections]:
        return [one["detections"] for one in running.messages() if "detections" in one]

    try:
        eventually(
            lambda: (
                all(any(same(one, frame) for one in said()) for frame in expected)
                or running.process.poll() is not None
            )
        )
        assert running.end() == 0, running.printed()
    finally:
        running.process.kill()
        running.process.wait()
    for one in said():
        assert any(same(one, frame) for frame in expected), (one, running.printed())
