"""An environment file leads to detections of a camera on the emulator."""

import json
import os
import re
import signal
import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from deeplens.config import load_environment
from model_tools.samples.shapes.drawing import write_scenes
from testkit.checkout import (
    ROOT,
    Checkout,
    desire,
    destroy,
    first_of,
    heartbeat,
    virtual_camera,
    watch,
)
from testkit.waiting import eventually
from tests.local.conftest import DeployedOnce
from tests.local.processes import processes_in

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(1200)]


def second_version(checkout: Checkout) -> str:
    """Package the same graph as version 2.0.0, pin the artifact in dev, and return the digest."""
    file = checkout.root / "environments/dev.toml"
    old = load_environment(file).model.digest
    with zipfile.ZipFile(checkout.root / f"models/shapes/{old}/model.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps({**manifest, "version": "2.0.0"}).encode()
    packaged = checkout.root / "second.zip"
    with zipfile.ZipFile(packaged, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    digest = sha256(packaged.read_bytes()).hexdigest()
    folder = checkout.root / "models/shapes" / digest
    folder.mkdir()
    packaged.rename(folder / "model.zip")
    file.write_text(file.read_text(encoding="utf-8").replace(old, digest), encoding="utf-8")
    return digest


def test_a_release_reaches_the_camera_moves_with_its_digest_and_goes(
    deployed_once: DeployedOnce, deployed: Checkout
) -> None:
    checkout = deployed
    scenes = checkout.root / ".local/scenes"
    write_scenes(scenes, 6, seed=0)
    truth = json.loads((scenes / "scenes.json").read_text(encoding="utf-8"))
    first = load_environment(ROOT / "environments/dev.toml").model.digest

    assert "the fleet has no device yet" in deployed_once.output

    with virtual_camera(checkout):
        messages = watch(checkout, 6)
        assert {message["model"]["digest"] for message in messages} == {first}
        right = sum(
            sorted(one["label"] for one in message["detections"])
            == sorted(shape["label"] for shape in truth[message["frame"]["source"]])
            for message in messages
        )
        assert right >= len(messages) - 2
        assert heartbeat(checkout)["model"]["digest"] == first

        desire(checkout, {"threshold": 0.25})
        eventually(lambda: heartbeat(checkout)["settings"]["threshold"] == 0.25)
        desire(checkout, {"threshold": 2})
        eventually(lambda: heartbeat(checkout).get("settings_refused"))
        assert heartbeat(checkout)["settings"]["threshold"] == 0.25

        again = checkout.demo("deploy", "dev")
        assert "no changes" in again

        second = second_version(checkout)
        moved = checkout.demo("deploy", "dev")
        assert "1 of 1 reachable devices run the release" in moved
        assert heartbeat(checkout)["model"]["digest"] == second
        first_of(checkout, second)

        destroyed = destroy(checkout)
        assert re.search(r"dev-Inference.*destroyed", destroyed)
        current = checkout.root / ".local/cores/dev-camera-1/greengrass/v2/config/current.json"
        eventually(lambda: json.loads(current.read_text(encoding="utf-8"))["components"] == [])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_camera_that_is_ended_in_any_way_leaves_no_process(
    deployed: Checkout, how: signal.Signals
) -> None:
    checkout = deployed
    camera = subprocess.Popen(
        [ROOT / ".venv/bin/python", "-m", "deeplens", "local", "camera", "dev"],
        cwd=checkout.root,
        env={**os.environ, "PYTHONPATH": str(checkout.root)},
        start_new_session=True,
    )
    eventually(lambda: processes_in(checkout.root, "local_aws core run"))
    camera.send_signal(how)
    camera.wait(300)
    eventually(lambda: not processes_in(checkout.root, "core run", "lambda_runtime"))


def test_a_step_without_the_emulator_says_how_to_start_it(tmp_path: Path) -> None:
    for name in ("deeplens", "stacks", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    result = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "deeplens", "local", "watch", "nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
