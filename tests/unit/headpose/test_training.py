"""The head-pose classifier from images to an artifact, with a small data set."""

import csv
import json
import os
import signal
import tarfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner

from model_tools.cli.main import main
from model_tools.samples.headpose import data, network
from model_tools.samples.headpose.data import HeadPoses
from model_tools.samples.headpose.drawing import draw_heads
from model_tools.samples.headpose.poses import LABELS
from tests.forked import ForkedCommand, run_forked

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(900),
]

# The polling interval, in seconds: much shorter than an epoch.
_LOOK_SECONDS = 0.01


@pytest.fixture(scope="module")
def heads() -> HeadPoses:
    pictures, poses = draw_heads(1, 0, 90)
    return HeadPoses(pictures[:72], poses[:72], pictures[72:], poses[72:], "drawn, seed 1")


class Training(NamedTuple):
    """The folder and the accuracy of a training that was stopped and resumed.

    The training was stopped after `epochs_before` of its four epochs.
    """

    output: Path
    accuracy: float
    epochs_before: int

    @property
    def saved_model(self) -> Path:
        (version,) = (self.output / "export" / "Servo").iterdir()
        return version

    @property
    def pictures(self) -> Path:
        return self.output / "pictures"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, heads: HeadPoses) -> Training:
    folder = tmp_path_factory.mktemp("headpose")
    data.write_npz(heads, folder / "heads.npz")
    output = folder / "out"
    command = [
        "model_tools", "train", "headpose", "--data", folder / "heads.npz", "--epochs", "4",
        "--output", output, "--json",
    ]  # fmt: skip
    history = output / "history.csv"
    with ForkedCommand(*command, stderr=folder / "stderr.txt") as process:
        while process.poll() is None:
            if history.is_file() and len(history.read_text().splitlines()) >= 2:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(_LOOK_SECONDS)
        process.wait()
    before = len(history.read_text().splitlines()) - 1
    ended = run_forked(*command, folder=folder)
    assert ended.returncode == 0, ended.stderr
    return Training(output, json.loads(ended.stdout)["accuracy"], before)


@pytest.mark.parametrize(("variant", "convolutions"), [("small", 13), ("resnet50", 53)])
def test_every_layer_of_a_variant_has_a_name_of_its_own(variant: str, convolutions: int) -> None:
    model = network.build(variant)
    names = [layer.name for layer in model.layers]
    assert len(names) == len(set(names))
    assert names[0] == "inputs"
    assert names[-1] == "softmax_tensor"
    assert sum("conv" in name or "shortcut" in name for name in names) == convolutions
    assert not any(name[-1].isdigit() and name.startswith(("conv2d", "add")) for name in names)


def test_training_leaves_what_sagemaker_serves_and_what_cameras_need(trained: Training) -> None:
    with tarfile.open(trained.output / "model.tar.gz") as archive:
        names = archive.getnames()
    version = f"export/Servo/{trained.saved_model.name}"
    assert f"{version}/saved_model.pb" in names
    assert f"{version}/variables/variables.index" in names
    assert (trained.output / "labels.txt").read_text().split("\n")[:-1] == list(LABELS)
    report = json.loads((trained.output / "training.json").read_text())
    assert report["accuracy"] == trained.accuracy
    assert report["train_pictures"] == 72
    assert len(list(trained.pictures.glob("*.png"))) == 18
    assert any((trained.output / "logs").rglob("events.out.tfevents.*"))


def test_the_export_is_frozen_packaged_and_gives_the_same_poses(
    trained: Training, heads: HeadPoses, tmp_path: Path
) -> None:
    import tensorflow as tf  # noqa: PLC0415 - the import takes seconds

    frozen = tmp_path / "frozen"
    run("freeze", trained.output / "model.tar.gz", frozen, "--signature", "camera")
    packaged = json.loads(
        run(
            "package", frozen, "--labels", trained.output / "labels.txt", "--name", "headpose",
            "--training", trained.output / "training.json", "--mean", "0", "--scale", "1",
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


def test_a_training_that_was_ended_goes_on_where_it_was(trained: Training) -> None:
    with (trained.output / "history.csv").open(newline="") as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file) if row["epoch"].isdigit()]
    assert trained.epochs_before < 4
    assert sorted(set(epochs)) == [0, 1, 2, 3]
    # Only the interrupted epoch may run twice.
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
        "model_tools.samples.headpose.sagemaker", "--variant", "small", "--epochs", "1",
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
    assert "does not contain train_pictures" in (tmp_path / "output" / "failure").read_text()


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout
