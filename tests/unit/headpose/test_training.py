"""The head-pose classifier from pictures to an artifact, in small."""

import csv
import json
import os
import signal
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from model_tools.cli import main
from model_tools.headpose import build, data, network
from model_tools.headpose.data import HeadPoses
from model_tools.headpose.drawing import draw_heads
from model_tools.headpose.poses import LABELS
from model_tools.headpose.training import TrainingOptions
from model_tools.isolation import isolated
from model_tools.progress import Progress
from tests.forked import ForkedCommand, run_forked

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(900),
]

# Far less than an epoch takes.
_LOOK_SECONDS = 0.01


@pytest.fixture(scope="module")
def heads() -> HeadPoses:
    pictures, poses = draw_heads(1, 0, 90)
    return HeadPoses(pictures[:72], poses[:72], pictures[72:], poses[72:], "drawn, seed 1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, heads: HeadPoses) -> build.Trained:
    output = tmp_path_factory.mktemp("headpose")
    # In a process of its own: it sets TensorFlow's determinism and oneDNN's instructions for good.
    return isolated(build.build, heads, TrainingOptions(epochs=2), output, 1234, Progress())


@pytest.mark.parametrize(("variant", "convolutions"), [("small", 13), ("resnet50", 53)])
def test_every_layer_of_a_variant_has_a_name_of_its_own(variant: str, convolutions: int) -> None:
    model = network.build(variant)
    names = [layer.name for layer in model.layers]
    assert len(names) == len(set(names))
    assert names[0] == "inputs"
    assert names[-1] == "softmax_tensor"
    assert sum("conv" in name or "shortcut" in name for name in names) == convolutions
    assert not any(name[-1].isdigit() and name.startswith(("conv2d", "add")) for name in names)


def test_training_leaves_what_sagemaker_serves_and_what_cameras_need(
    trained: build.Trained,
) -> None:
    with tarfile.open(trained.archive) as archive:
        names = archive.getnames()
    assert "export/Servo/1234/saved_model.pb" in names
    assert "export/Servo/1234/variables/variables.index" in names
    assert trained.labels.read_text().split("\n")[:-1] == list(LABELS)
    report = json.loads(trained.report.read_text())
    assert report["accuracy"] == trained.quality.accuracy
    assert report["train_pictures"] == 72
    assert len(list(trained.pictures.glob("*.png"))) == 18
    assert any((trained.saved_model.parents[2] / "logs").rglob("events.out.tfevents.*"))


def test_the_export_is_frozen_packaged_and_gives_the_same_poses(
    trained: build.Trained, heads: HeadPoses, tmp_path: Path
) -> None:
    import tensorflow as tf  # noqa: PLC0415 - takes seconds to import

    frozen = tmp_path / "frozen"
    run("freeze", trained.archive, frozen, "--signature", "camera")
    packaged = json.loads(
        run(
            "package", frozen, "--labels", trained.labels, "--name", "headpose",
            "--training", trained.report, "--mean", "0", "--scale", "1",
            "--models", tmp_path / "models", "--json",
        )
    )  # fmt: skip
    picture = min(trained.pictures.glob("*.png"))
    said = json.loads(run("predict", packaged["path"], picture, "--json", "--threshold", "0"))
    served = tf.saved_model.load(str(trained.saved_model)).signatures["serving_default"]
    answer = served(inputs=tf.constant(heads.test_pictures[:1], tf.float32))
    best = max(said[0]["detections"], key=lambda one: one["score"])
    assert best["label"] == LABELS[int(answer["classes"][0])]
    assert best["score"] == pytest.approx(float(answer["probabilities"][0].numpy().max()), abs=1e-4)


def test_a_training_that_was_ended_goes_on_where_it_was(tmp_path: Path, heads: HeadPoses) -> None:
    data.write_npz(heads, tmp_path / "heads.npz")
    command = [
        "model_tools", "train", "headpose", "--data", tmp_path / "heads.npz", "--epochs", "4",
        "--output", tmp_path / "out", "--json",
    ]  # fmt: skip
    history = tmp_path / "out" / "history.csv"
    with ForkedCommand(*command, stderr=tmp_path / "stderr.txt") as process:
        while process.poll() is None:
            if history.is_file() and len(history.read_text().splitlines()) >= 2:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(_LOOK_SECONDS)
        process.wait()
    before = len(history.read_text().splitlines()) - 1
    ended = run_forked(*command, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    with history.open(newline="") as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file) if row["epoch"].isdigit()]
    assert before < 4
    assert sorted(set(epochs)) == [0, 1, 2, 3]
    # The epoch under way may be repeated; those before it are not.
    assert len(epochs) <= 5


def test_the_sagemaker_entry_point_reads_and_writes_as_its_container_does(
    tmp_path: Path, heads: HeadPoses
) -> None:
    channel = tmp_path / "input" / "data" / "training"
    channel.mkdir(parents=True)
    data.write_npz(heads, channel / "heads.npz")
    environment = {
        **os.environ,
        "SM_CHANNEL_TRAINING": str(channel),
        "SM_MODEL_DIR": str(tmp_path / "model"),
        "SM_OUTPUT_DATA_DIR": str(tmp_path / "output" / "data"),
    }
    entry = [
        "model_tools.headpose.sagemaker", "--variant", "small", "--epochs", "1",
        "--checkpoints", tmp_path / "checkpoints",
    ]  # fmt: skip
    done = run_forked(*entry, folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "accuracy=" in done.stdout
    (saved,) = (tmp_path / "model" / "export" / "Servo").iterdir()
    assert (saved / "saved_model.pb").is_file()
    assert (tmp_path / "output" / "data" / "training.json").is_file()
    np.savez(channel / "heads.npz", wrong=1)
    failed = run_forked(*entry, folder=tmp_path, environment=environment)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "lacks train_pictures" in (tmp_path / "output" / "failure").read_text()


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout
