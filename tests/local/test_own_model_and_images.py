"""A new user runs the demo on a terminal, and then a custom model with custom images."""

import json
import os
import queue
import re
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from deeplens.cli.main import main
from deeplens.config import load_environment
from testkit.checkout import ROOT, Checkout, watch
from testkit.waiting import eventually
from tests.local.processes import processes_in
from tests.terminal import OnTerminal

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore"),
]

PYTHON = ROOT / ".venv/bin/python"
LABELS = ("red", "blue")
SIDE_PX = 24
THING = "dev-camera-2"


def variables(checkout: Checkout) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(checkout.root)}


def test_the_demo_stays_until_enter_with_its_live_view_in_the_last_line(deployed: Checkout) -> None:
    digest = load_environment(deployed.root / "environments/dev.toml").model.digest
    command = [PYTHON, "-m", "deeplens", "local", "demo", "--pinned", "--detections", "2"]
    with OnTerminal(command, deployed.root, variables(deployed)) as program:
        shown = program.read_until(lambda text: "press Enter to end" in text)
        lines = shown.strip().splitlines()
        assert lines[0].startswith("The demo downloads nothing more")
        assert sum(f"({digest[:12]})" in line for line in lines) == 2, shown
        last = re.fullmatch(
            r"live view: (http://127\.0\.0\.1:\d+/[^/]+/) — press Enter to end", lines[-1]
        )
        assert last, shown
        # The frame number must increase after the second detection.
        first = newest_frame(last[1])
        eventually(lambda: newest_frame(last[1]) > first)
        refused = deployed.refused("camera", "dev")
        assert "dev-camera-1 is already running (process" in refused

        program.type("\n")
        assert program.end() == 0, program.shown
    eventually(lambda: not processes_in(deployed.root, "core run", "lambda_runtime"))


def newest_frame(address: str) -> int:
    with urllib.request.urlopen(f"{address}frame?after=0", timeout=60) as answer:  # noqa: S310 - a server of this project
        number: int = json.load(answer)["number"]
    return number


@pytest.mark.walk
def test_a_users_own_classifier_labels_the_users_own_images(
    deployed: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(deployed.root)
    model = two_colors()
    model.save("colors.keras")
    images = write_images(deployed.root / "my images", model)
    assert set(images.values()) == set(LABELS)
    (deployed.root / "labels.txt").write_text("\n".join(LABELS))
    deeplens("model", "freeze", "colors.keras", "build/colors")
    packaged = deeplens("model",
        "package", "build/colors", "--labels", "labels.txt", "--name", "colors",
        "--mean", "0", "--scale", repr(1 / 255), "--json",
    )  # fmt: skip
    digest = json.loads(packaged)["sha256"]
    deeplens("release", "pin", "environments/dev.toml", digest)
    deployed.demo("deploy", "dev")

    with camera(deployed, deployed.root / "my images") as output:
        messages = watch(deployed, 2 * len(images))
        assert {(one["thing"], one["model"]["digest"]) for one in messages} == {(THING, digest)}
        seen = {one["frame"]["source"]: one["detections"][0]["label"] for one in messages}
        assert seen == images
    assert f"{THING} shows {len(images)} images of my images" in output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--pictures", "nowhere"], "'nowhere' is not a folder of images: there is no such folder"),
        (["--pictures", "environments"], "directly in it; got none"),
        (["--name", "a/b"], "'a/b' is not a valid name: expected letters"),
    ],
)
def test_a_camera_with_wrong_input_is_refused_before_anything_starts(
    deployed: Checkout, arguments: list[str], reason: str
) -> None:
    result = deployed.run("camera", "dev", *arguments, timeout_seconds=300)
    assert result.returncode == 2
    assert reason in result.stderr.splitlines()[-1]
    assert result.stdout == ""


def two_colors() -> Any:
    """Return a small Keras classifier, trained for eight epochs on red and blue noise."""
    import keras  # noqa: PLC0415 - the import takes seconds

    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE_PX, SIDE_PX, 3), name="pixels")
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(pixels)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    random = np.random.default_rng(0)
    classes = random.integers(0, 2, 256)
    noise = np.stack([noisy(random, label) for label in classes]).astype(np.float32) / 255
    model.fit(noise, classes, epochs=8, verbose=0)
    return model


def noisy(random: np.random.Generator, label: int) -> Any:
    image = random.integers(0, 120, (SIDE_PX, SIDE_PX, 3), np.uint8)
    image[..., (0, 2)[label]] += 120
    return image


def write_images(folder: Path, model: Any) -> dict[str, str]:
    """Write images; return the label that Keras predicts for each file."""
    folder.mkdir()
    random = np.random.default_rng(1)
    answers = {}
    for number in range(4):
        image = noisy(random, number % 2)
        Image.fromarray(image).save(folder / f"image {number}.png")
        scores = model.predict(image[np.newaxis].astype(np.float32) / 255, verbose=0)[0]
        answers[f"image {number}.png"] = LABELS[int(scores.argmax())]
    return answers


@contextmanager
def camera(checkout: Checkout, images: Path) -> Iterator[list[str]]:
    """Run `deeplens local camera` as a second device; yield the list of its output lines."""
    process = subprocess.Popen(
        [
            PYTHON,
            "-u",
            "-m",
            "deeplens",
            "local",
            "camera",
            "dev",
            "--name",
            THING,
            "--pictures",
            images,
        ],
        cwd=checkout.root,
        env=variables(checkout),
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    printed: list[str] = []
    ready: queue.Queue[str] = queue.Queue()

    def read(lines: Any) -> None:
        for line in lines:
            printed.append(line.rstrip("\n"))
            if "live view: http" in line:
                ready.put(line)
        ready.put("")

    reader = threading.Thread(target=read, args=[process.stdout])
    reader.start()
    try:
        assert ready.get(timeout=300), printed
        yield printed
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 130
        reader.join(60)
        process.stdout.close()


def deeplens(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout
