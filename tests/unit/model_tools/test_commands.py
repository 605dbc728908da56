"""The commands convert a trained model into a verified artifact."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from tests.unit.model_tools.conftest import run

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8)).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def poses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("labels") / "poses.txt"
    file.write_text("left\nright\nup\ndown\nahead\n")
    return file


@pytest.fixture(scope="module")
def frozen(trained_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    assert run("freeze", trained_models["frozen"], folder).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def artifact(
    trained_models: dict[str, Path], poses: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    trained = folder / "training.json"
    trained.write_text('{"accuracy": 0.97}')
    frozen = run("freeze", trained_models["keras"], folder / "frozen")
    assert frozen.exit_code == 0, frozen.output
    packaged = run(
        "package", folder / "frozen", "--labels", poses, "--name", "poses", "--mean", "127.5",
        "--scale", "0.00784313725", "--models", folder / "models", "--training", trained, "--json",
    )  # fmt: skip
    assert packaged.exit_code == 0, packaged.output
    return Path(json.loads(packaged.output)["path"])


def test_a_keras_model_becomes_an_artifact_that_every_engine_agrees_on(
    artifact: Path, trained_models: dict[str, Path], pictures: Path
) -> None:
    verified = run(
        "verify", artifact, "--picture", pictures, "--against", trained_models["keras"], "--json"
    )
    assert verified.exit_code == 0, verified.output
    report = json.loads(verified.stdout)
    assert report["drop"] == 0
    assert [comparison["title"] for comparison in report["comparisons"]] == [
        "openvino f32 and tensorflow",
        "artifact and its source",
    ]
    assert all(
        comparison["agreement"]["largest_absolute"] < 1e-5 for comparison in report["comparisons"]
    )


def test_the_manifest_contains_the_provenance_of_a_model(artifact: Path) -> None:
    with zipfile.ZipFile(artifact) as packed:
        provenance = json.loads(packed.read("manifest.json"))["provenance"]
    assert provenance["source"]["format"] == "Keras file"
    assert len(provenance["source"]["sha256"]) == 64
    assert provenance["training"] == {"accuracy": 0.97}


def test_predictions_are_printed_and_drawn(artifact: Path, pictures: Path, tmp_path: Path) -> None:
    predicted = run(
        "predict", artifact, pictures, "--threshold", 0, "--annotate", tmp_path, "--json"
    )
    assert predicted.exit_code == 0, predicted.output
    first, second = json.loads(predicted.stdout)
    assert first["picture"] == "a.png"
    assert {detection["label"] for detection in first["detections"]} == {
        "left",
        "right",
        "up",
        "down",
        "ahead",
    }
    assert sum(detection["score"] for detection in second["detections"]) == pytest.approx(
        1, abs=1e-5
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "b.png"]


def brightness(folder: Path) -> Path:
    """Write a graph that classifies bright and dark images with input values from -1 to 1."""
    from tests.unit.model_tools.trained import v1  # noqa: PLC0415 - the import loads TensorFlow

    with v1.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(v1.float32, [1, 8, 8, 3], name="image")
        mean = v1.reduce_mean(image)
        v1.nn.softmax(v1.reshape(v1.stack([mean, -mean]) * 10.0, [1, 2]), name="bright_or_dark")
        file = folder / "brightness.pb"
        file.write_bytes(session.graph_def.SerializeToString())
    return file


def test_wrong_pre_processing_is_found_and_named(tmp_path: Path) -> None:
    expected = {f"{name}-{level}.png": name for name, level in
              (("dark", 20), ("dark", 90), ("bright", 180), ("bright", 240))}  # fmt: skip
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in expected:
        level = int(name.partition("-")[2].removesuffix(".png"))
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(folder / name)
    (tmp_path / "labels.txt").write_text("bright\ndark\n")
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    assert run("freeze", brightness(tmp_path), tmp_path / "frozen").exit_code == 0
    for mean, scale, exit_code in (("0", "1", 1), ("127.5", "0.00784313725", 0)):
        packaged = run(
            "package", tmp_path / "frozen", "--labels", tmp_path / "labels.txt", "--name",
            "brightness", "--mean", mean, "--scale", scale, "--models", tmp_path, "--json",
        )  # fmt: skip
        report = tmp_path / "report.html"
        result = run(
            "verify", json.loads(packaged.output)["path"], "--picture", folder,
            "--expected", tmp_path / "expected.json", "--report", report,
        )  # fmt: skip
        assert result.exit_code == exit_code, result.output
        named = "likely cause: scale and mean: -1 to 1 (mean 127.5, scale 1/127.5)" in result.output
        assert named == bool(exit_code)
        assert ("does not agree" in report.read_text()) == bool(exit_code)


def test_the_baseline_of_normal_images_is_stored_in_the_artifact(
    artifact: Path, poses: Path, tmp_path: Path
) -> None:
    calm = tmp_path / "calm"
    calm.mkdir()
    random = np.random.default_rng(0)

    def package() -> Result:
        return run(
            "package", artifact.parents[3] / "frozen", "--labels", poses, "--name", "poses",
            "--mean", "127.5", "--scale", "0.00784313725", "--models", tmp_path / "models",
            "--baseline", calm, "--json",
        )  # fmt: skip

    for number in range(50):
        if number == 49:
            refused = package()
            assert refused.exit_code == 2
            assert "49 images are too few for a baseline: give at least 50" in refused.output
        pixels = random.integers(90, 110, (24, 32, 3), np.uint8)
        Image.fromarray(pixels).save(calm / f"{number}.png")
    packaged = json.loads(package().stdout)
    with zipfile.ZipFile(packaged["path"]) as packed:
        baseline = json.loads(packed.read("manifest.json"))["baseline"]
    assert baseline["frames"] == 50
    # The brightness of all images is between 96 and 128 of 255.
    assert baseline["brightness"]["shares"] == [0, 0, 0, 1, 0, 0, 0, 0]
    assert sum(baseline["labels"]["shares"]) == pytest.approx(1, abs=1e-3)
    assert json.loads(package().stdout)["sha256"] == packaged["sha256"], "the same bytes again"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--labels", "{tmp}/two.txt", "--name", "m", "--mean", "0", "--scale", "1"],
         "2 labels with ids from 1 to 2 do not match a classifier with 5 scores"),
        (["--labels", "{poses}", "--name", "m"], "set --mean and --scale"),
        (["--labels", "{poses}", "--name", "M!", "--mean", "0", "--scale", "1"], "'M!' is not"),
        (["--labels", "{poses}", "--name", "m", "--mean", "1,2", "--scale", "1"],
         "expected one number"),
        (["--labels", "{poses}", "--name", "m", "--mean", "0", "--scale", "0"], "scale"),
        (["--labels", "{poses}", "--name", "m", "--size", "8x8", "--mean", "0", "--scale", "1"],
         "--size 8x8 does not match the input"),
        (["--labels", "none.txt", "--name", "m"], "No such file"),
        (["--labels", "{poses}", "--name", "m", "--training", "{poses}"], "is not JSON"),
    ],
)  # fmt: skip
def test_a_package_that_no_camera_could_use_is_refused(
    frozen: Path,
    poses: Path,
    tmp_path: Path,
    arguments: list[str],
    expected: str,
) -> None:
    (tmp_path / "two.txt").write_text("a\nb\n")
    filled = [argument.format(tmp=tmp_path, poses=poses) for argument in arguments]
    result = run("package", frozen, *filled, "--models", tmp_path / "models")
    assert result.exit_code == 2
    assert expected in result.output
    assert not (tmp_path / "models").exists()


def test_a_frozen_graph_that_was_changed_is_not_packaged(
    frozen: Path, poses: Path, tmp_path: Path
) -> None:
    changed = shutil.copytree(frozen, tmp_path / "changed")
    graph = changed / "frozen_model.pb"
    graph.write_bytes(graph.read_bytes() + b"\0")
    result = run("package", changed, "--labels", poses, "--name", "m")
    assert result.exit_code == 2
    assert "frozen_model.pb has the SHA-256" in result.output


def test_nothing_is_written_where_freezing_fails(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pb"
    broken.write_bytes(b"\0\1\2")
    result = run("freeze", broken, tmp_path / "out")
    assert result.exit_code == 2
    assert "is not a GraphDef" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "model", ["saved_model_1", "checkpoint", "saved_model_2", "h5", "sagemaker_tar"]
)
def test_inspect_reports_the_properties_of_a_model(
    trained_models: dict[str, Path], model: str
) -> None:
    result = run("inspect", trained_models[model], "--json")
    assert result.exit_code == 0, result.output
    inspection = json.loads(result.stdout)
    assert inspection["parameters"] > 1_000
    assert inspection["flops"] > 10_000
    assert inspection["ops"]["Conv2D"] == 2
    assert inspection["consumers"]["tensorflow-1.4"] is None


def test_a_graph_is_written_for_tensorboard(
    trained_models: dict[str, Path], tmp_path: Path
) -> None:
    result = run("inspect", trained_models["frozen"], "--tensorboard", tmp_path)
    assert result.exit_code == 0, result.output
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_help_does_not_wait_for_tensorflow() -> None:
    script = (
        "import sys\nfrom click.testing import CliRunner\nfrom model_tools.cli.main import main\n"
        "for words in ([], *[[name] for name in main.commands]):\n"
        "    assert CliRunner().invoke(main, [*words, '--help']).exit_code == 0\n"
        "assert not {'tensorflow', 'numpy', 'PIL', 'openvino'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
