"""From an environment file to a detection on a camera, on the embedded AWS."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest

from model_tools.shapes.scenes import write_scenes
from stacks.config import load_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


class Checkout:
    """A checkout as a user has it, beside the real one: its own environments and state."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def demo(self, *arguments: str, timeout_seconds: float = 240) -> str:
        """Run `python -m demo …`; fail the test with its output when it fails."""
        result = subprocess.run(
            [ROOT / ".venv/bin/python", "-m", "demo", *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Sources are copied, installed environments are linked, state is new."""
    root = tmp_path_factory.mktemp("checkout")
    for name in (".venv", ".venv-local-aws", ".venv-device", "node_modules"):
        (root / name).symlink_to(ROOT / name)
    for name in ("demo", "stacks", "local_aws", "lambda_src", "environments", "models"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "cdk.json"):
        shutil.copy(ROOT / name, root / name)
    local_aws = [ROOT / ".venv-local-aws/bin/python", "-m", "local_aws"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([*local_aws, "up"], cwd=root, env=environment, check=True, timeout=120)
    yield Checkout(root)
    subprocess.run([*local_aws, "down"], cwd=root, env=environment, check=True, timeout=60)


def second_version(checkout: Checkout) -> str:
    """Package the same graph under a new version; pin it in dev; return its digest."""
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


def heartbeat(checkout: Checkout) -> dict[str, Any]:
    endpoint = json.loads((checkout.root / ".local/aws/endpoint.json").read_text(encoding="utf-8"))
    client = boto3.client(
        "iot-data",
        endpoint_url=endpoint["endpoint_url"],
        region_name="eu-central-1",
        aws_access_key_id="111111111111",
        aws_secret_access_key="local",
    )
    answer = client.get_thing_shadow(thingName="dev-camera-1", shadowName="deeplens")
    reported: dict[str, Any] = json.loads(answer["payload"].read())["state"]["reported"]
    return reported


def watch(checkout: Checkout, count: int) -> list[dict[str, Any]]:
    lines = checkout.demo("watch", "dev", "--count", str(count), "--json").splitlines()
    return [json.loads(line) for line in lines]


def test_a_release_reaches_the_camera_moves_with_its_digest_and_goes(checkout: Checkout) -> None:
    scenes = checkout.root / ".local/scenes"
    write_scenes(scenes, 6, seed=0)
    truth = json.loads((scenes / "scenes.json").read_text(encoding="utf-8"))
    first = load_environment(ROOT / "environments/dev.toml").model.digest

    deployed = checkout.demo("deploy", "dev")
    assert "the fleet has no device yet" in deployed

    camera = subprocess.Popen(
        [ROOT / ".venv/bin/python", "-m", "demo", "camera", "dev"],
        cwd=checkout.root,
        env={**os.environ, "PYTHONPATH": str(checkout.root)},
        start_new_session=True,
    )
    try:
        messages = watch(checkout, 6)
        assert {message["model"]["digest"] for message in messages} == {first}
        right = sum(
            sorted(one["label"] for one in message["detections"])
            == sorted(shape["label"] for shape in truth[message["frame"]["source"]])
            for message in messages
        )
        assert right >= len(messages) - 2
        assert heartbeat(checkout)["model"]["digest"] == first

        again = checkout.demo("deploy", "dev")
        assert "no changes" in again

        second = second_version(checkout)
        moved = checkout.demo("deploy", "dev")
        assert "1 of 1 reachable devices run the release" in moved
        assert heartbeat(checkout)["model"]["digest"] == second
        assert watch(checkout, 2)[-1]["model"]["digest"] == second

        destroyed = destroy(checkout)
        assert re.search(r"dev-Inference.*destroyed", destroyed)
        time.sleep(1)
        core = json.loads(
            next((checkout.root / ".local/cores/dev-camera-1").rglob("current.json")).read_text(
                encoding="utf-8"
            )
        )
        assert core["components"] == []
    finally:
        camera.send_signal(signal.SIGTERM)
        assert camera.wait(20) == 130


def destroy(checkout: Checkout) -> str:
    endpoint = json.loads((checkout.root / ".local/aws/endpoint.json").read_text(encoding="utf-8"))
    result = subprocess.run(
        [
            ROOT / ".venv/bin/node",
            ROOT / "node_modules/aws-cdk/bin/cdk",
            "destroy",
            "dev/Inference",
            "--app",
            "cdk.out",
            "--force",
        ],
        cwd=checkout.root,
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": endpoint["endpoint_url"],
            "AWS_ACCESS_KEY_ID": "111111111111",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": "eu-central-1",
            "CDK_HOME": str(checkout.root / ".local/cdk"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_a_step_without_the_embedded_aws_says_how_to_start_it(tmp_path: Path) -> None:
    for name in ("demo", "stacks"):
        (tmp_path / name).symlink_to(ROOT / name)
    result = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "demo", "watch", "nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
