"""Real detectors and pictures: predicted, packaged, and run by the function on a camera.

They are no part of this project. `DEEPLENS_SAMPLE_DATA` names their folder.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.device.bench import environment
from tests.device.function_process import ROOT
from tests.device.greengrass_ipc import Core
from tests.device.homes import HOMES, start
from tests.waiting import eventually

SAMPLES = Path(os.environ.get("DEEPLENS_SAMPLE_DATA", ROOT.parent / "shared" / "data"))

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (SAMPLES / "ssd_mobilenet_v1_coco.tar.gz").is_file(),
        reason=f"no sample models in {SAMPLES}; DEEPLENS_SAMPLE_DATA names their folder",
    ),
]


@dataclass(frozen=True)
class Sample:
    """A detector, and what must be found: the best label and its score by picture."""

    name: str
    expected: dict[str, tuple[str, float]]


COCO = Sample("coco", {"3dogs.jpg": ("dog", 0.677), "image1.jpg": ("dog", 0.717),
                       "kitten.jpg": ("cat", 0.770)})  # fmt: skip
PETS = Sample("pets", {"kitten.jpg": ("cat", 0.955), "headpose_IMG_1242.jpeg": ("person", 0.852)})


def model_tools(*arguments: object) -> Any:
    result = subprocess.run(
        [ROOT / ".venv/bin/deeplens", "model", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout) if "--json" in arguments else result.stdout


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both detectors, frozen and packaged with the pre-processing that they were trained with."""
    folder = tmp_path_factory.mktemp("samples")
    shutil.unpack_archive(SAMPLES / "ssd_mobilenet_v1_coco.tar.gz", folder)
    (folder / "pets.txt").write_text("person\ncat\ndog\n")
    graphs = {
        "coco": (folder / "frozen_inference_graph.pb", SAMPLES / "mscoco_label_map.pbtxt"),
        "pets": (
            SAMPLES / "mobilenet_ssd_256res_0.125_person_cat_dog.pb",
            folder / "pets.txt",
        ),
    }
    made = {}
    for name, (graph, labels) in graphs.items():
        frozen = model_tools("freeze", graph, folder / name, "--json")
        assert frozen["cut"], frozen["parity"]
        packaged = model_tools(
            "package", folder / name, "--labels", labels, "--name", name, "--resize",
            "tf1-bilinear", "--models", folder / "models", "--json",
        )  # fmt: skip
        made[name] = Path(packaged["path"])
    return made


@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
@pytest.mark.parametrize("sample", [COCO, PETS], ids=lambda sample: sample.name)
def test_predictions_are_those_that_are_known(
    artifacts: dict[str, Path], sample: Sample, engine: str
) -> None:
    pictures = [SAMPLES / name for name in sample.expected]
    found = model_tools("predict", artifacts[sample.name], *pictures, "--engine", engine, "--json")
    for one in found:
        label, score = sample.expected[one["picture"]]
        assert one["detections"][0]["label"] == label
        assert one["detections"][0]["score"] == pytest.approx(score, abs=0.03)


def test_engines_and_source_agree(artifacts: dict[str, Path]) -> None:
    verified = model_tools(
        "verify", artifacts["pets"], "--picture", SAMPLES / "kitten.jpg",
        "--against", SAMPLES / "mobilenet_ssd_256res_0.125_person_cat_dog.pb", "--json",
    )  # fmt: skip
    assert verified["drop"] == 0
    assert all(one["agreement"]["largest_absolute"] < 1e-3 for one in verified["comparisons"])


@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
@pytest.mark.parametrize("home", HOMES)
def test_the_camera_sees_what_predict_sees_in_every_home(
    tmp_path: Path, artifacts: dict[str, Path], core: Core, home: str, engine: str
) -> None:
    (tmp_path / "camera").mkdir()
    for name in COCO.expected:
        shutil.copy(SAMPLES / name, tmp_path / "camera" / name)
    archive = artifacts["coco"]
    shutil.unpack_archive(archive, tmp_path / "model")
    variables = environment(
        DEEPLENS_MODEL_ARTIFACT=str(archive),
        DEEPLENS_MODEL_DIRECTORY=str(tmp_path / "model"),
        DEEPLENS_MODEL_DIGEST=archive.parent.name,
        DEEPLENS_ENGINE=engine,
        DEEPLENS_FRAME_INTERVAL_SECONDS="0.2",
    )
    running = start(home, tmp_path, variables, core)

    def best() -> list[dict[str, Any]]:
        return [one["detections"][0] for one in running.messages() if "detections" in one]

    def is_known(one: dict[str, Any], known: tuple[str, float]) -> bool:
        return one["label"] == known[0] and one["score"] == pytest.approx(known[1], abs=0.001)

    # A DeepLens' camera does not say which picture it shows: each must be there in the end.
    try:
        eventually(
            lambda: all(
                any(is_known(one, known) for one in best()) for known in COCO.expected.values()
            )
        )
        assert running.end() == 0, running.printed()
    finally:
        running.process.kill()
        running.process.wait()
    assert all(any(is_known(one, known) for known in COCO.expected.values()) for one in best())


def test_a_saved_model_whose_input_is_parsed_is_frozen_at_its_signature(tmp_path: Path) -> None:
    frozen = model_tools("freeze", SAMPLES / "tf1_half_plus_three_model.tar.gz", tmp_path, "--json")
    assert frozen["inputs"]["x"]["name"] == "x:0"
    assert frozen["outputs"]["y"]["name"] == "y:0"
    assert frozen["parity"]["largest_absolute"] == 0
