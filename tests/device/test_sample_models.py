"""Published detectors and images: `predict`, `package`, and inference on a camera.

The files are not part of this project; `DEEPLENS_SAMPLE_DATA` is the path of their folder.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testkit.greengrass_ipc import Core
from testkit.waiting import eventually
from tests.device.bench import environment
from tests.device.function_process import ROOT
from tests.device.hosts import HOSTS, start

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
    """A detector with the expected best label and score of each image."""

    name: str
    expected: dict[str, tuple[str, float]]


COCO = Sample("coco", {"3dogs.jpg": ("dog", 0.677), "image1.jpg": ("dog", 0.717),
                       "kitten.jpg": ("cat", 0.770)})  # fmt: skip
PETS = Sample("pets", {"kitten.jpg": ("cat", 0.955), "headpose_IMG_1242.jpeg": ("person", 0.852)})


def model_tools(*arguments: object) -> Any:
    result = subprocess.run(
        [ROOT / ".venv/bin/model-tools", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout) if "--json" in arguments else result.stdout


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both detectors, frozen and packaged with the preprocessing of their training."""
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
def test_predictions_have_the_published_values(
    artifacts: dict[str, Path], sample: Sample, engine: str
) -> None:
    pictures = [SAMPLES / name for name in sample.expected]
    arguments = ("predict", artifacts[sample.name], *pictures, "--engine", engine, "--json")
    predictions = model_tools(*arguments)
    for document in predictions:
        label, score = sample.expected[document["picture"]]
        assert document["detections"][0]["label"] == label
        assert document["detections"][0]["score"] == pytest.approx(score, abs=0.03)


def test_engines_and_source_agree(artifacts: dict[str, Path]) -> None:
    verified = model_tools(
        "verify", artifacts["pets"], "--picture", SAMPLES / "kitten.jpg",
        "--against", SAMPLES / "mobilenet_ssd_256res_0.125_person_cat_dog.pb", "--json",
    )  # fmt: skip
    assert verified["drop"] == 0
    differences = [each["agreement"]["largest_absolute"] for each in verified["comparisons"]]
    assert max(differences) < 1e-3


@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
@pytest.mark.parametrize("host", HOSTS)
def test_the_camera_returns_the_detections_of_predict_on_every_host(
    tmp_path: Path, artifacts: dict[str, Path], core: Core, host: str, engine: str
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
    running = start(host, tmp_path, variables, core)

    def best() -> list[dict[str, Any]]:
        messages = running.messages()
        return [message["detections"][0] for message in messages if "detections" in message]

    def is_known(detection: dict[str, Any], known: tuple[str, float]) -> bool:
        score = pytest.approx(known[1], abs=0.001)
        return detection["label"] == known[0] and detection["score"] == score

    # A DeepLens' frames have no file name, so the test waits for one message per image.
    try:
        eventually(
            lambda: all(
                any(is_known(each, known) for each in best()) for known in COCO.expected.values()
            )
        )
        assert running.end() == 0, running.printed()
    finally:
        running.process.kill()
        running.process.wait()
    assert all(any(is_known(each, known) for known in COCO.expected.values()) for each in best())


def test_a_saved_model_whose_input_is_parsed_is_frozen_at_its_signature(tmp_path: Path) -> None:
    frozen = model_tools("freeze", SAMPLES / "tf1_half_plus_three_model.tar.gz", tmp_path, "--json")
    assert frozen["inputs"]["x"]["name"] == "x:0"
    assert frozen["outputs"]["y"]["name"] == "y:0"
    assert frozen["parity"]["largest_absolute"] == 0
