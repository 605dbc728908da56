"""A copy of the repository with a separate emulator, as in a user's checkout."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testkit.account_keys import client, secret

ROOT = Path(__file__).parents[1]
# Files that describe one run of an emulator; a copied state must not contain them.
_RUN_FILES = ("lock", "ports.json", "server.log", "snapshots")


class Checkout:
    """A copy of the repository with separate environment files and state."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def demo(self, *arguments: str, timeout_seconds: float = 1500) -> str:
        """Run `deeplens local …`; fail the test if it fails; return its standard output."""
        result = self.run(*arguments, timeout_seconds=timeout_seconds)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def refused(self, *arguments: str) -> str:
        """Run `deeplens local …`; check that the command fails, and return its one-line error."""
        result = self.run(*arguments, timeout_seconds=600)
        assert result.returncode == 1, result.stdout + result.stderr
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr

    def run(self, *arguments: str, timeout_seconds: float) -> "subprocess.CompletedProcess[str]":
        """Run `deeplens local …` and return the completed process."""
        return subprocess.run(
            [ROOT / ".venv/bin/python", "-m", "deeplens", "local", *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )


@contextmanager
def fresh_checkout(root: Path) -> Iterator[Checkout]:
    """Copy the repository to `root`, and run an emulator there during the `with` block."""
    _copy_sources(root)
    with _running(root):
        yield Checkout(root)


@contextmanager
def restored_checkout(root: Path, deployed: Path) -> Iterator[Checkout]:
    """Copy the repository and the deployments of `deployed` to `root`; run an emulator there.

    The emulator of `deployed` must have ended. The new emulator has the same state, but other
    ports.
    """
    _copy_sources(root)
    for name in (".local/aws", ".local/cdk", ".local/node", "cdk.out"):
        shutil.copytree(deployed / name, root / name, ignore=shutil.ignore_patterns(*_RUN_FILES))
    with _running(root):
        yield Checkout(root)


def _copy_sources(root: Path) -> None:
    for name in (".venv", ".venv-local-aws", ".venv-device", ".lambda-layer", "node_modules"):
        (root / name).symlink_to(ROOT / name)
    for name in (
        "deeplens",
        "environments",
        "lambda_src",
        "local_aws",
        "models",
        "policies",
        "stacks",
        "tools",
    ):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "cdk.json"):
        shutil.copy(ROOT / name, root / name)


@contextmanager
def _running(root: Path) -> Iterator[None]:
    """Run the emulator of a checkout during the `with` block."""
    local_aws: list[str | Path] = [ROOT / ".venv-local-aws/bin/python", "-m", "local_aws"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([*local_aws, "up"], cwd=root, env=environment, check=True, timeout=300)
    try:
        yield
    finally:
        subprocess.run([*local_aws, "down"], cwd=root, env=environment, check=True, timeout=300)


@contextmanager
def virtual_camera(checkout: Checkout) -> Iterator[None]:
    """Run dev's virtual camera during the `with` block; check the exit code 130 after SIGTERM."""
    camera = subprocess.Popen(
        [ROOT / ".venv/bin/python", "-m", "deeplens", "local", "camera", "dev"],
        cwd=checkout.root,
        env={**os.environ, "PYTHONPATH": str(checkout.root)},
        start_new_session=True,
    )
    try:
        yield
    finally:
        camera.send_signal(signal.SIGTERM)
        assert camera.wait(300) == 130


def heartbeat(checkout: Checkout) -> dict[str, Any]:
    """Return the last heartbeat of dev's camera."""
    answer = _iot_data(checkout).get_thing_shadow(thingName="dev-camera-1", shadowName="deeplens")
    reported: dict[str, Any] = json.loads(answer["payload"].read())["state"]["reported"]
    return reported


def desire(checkout: Checkout, settings: dict[str, Any]) -> None:
    """Set the desired settings in the named shadow of dev's camera."""
    payload = json.dumps({"state": {"desired": {"settings": settings}}}).encode()
    _iot_data(checkout).update_thing_shadow(
        thingName="dev-camera-1", shadowName="deeplens", payload=payload
    )


def _iot_data(checkout: Checkout) -> Any:
    return client("iot-data", checkout.root / ".local/aws/endpoint.json", "111111111111")


def watch(checkout: Checkout, count: int) -> list[dict[str, Any]]:
    """Return the next `count` messages of dev's fleet."""
    lines = checkout.demo("watch", "dev", "--count", str(count), "--json").splitlines()
    return [json.loads(line) for line in lines]


def first_of(checkout: Checkout, digest: str) -> dict[str, Any]:
    """Return the next message from the model with this digest; fail after 50 other messages."""
    for _ in range(50):
        (message,) = watch(checkout, 1)
        if message["model"] and message["model"]["digest"] == digest:
            return message
    raise AssertionError(f"none of 50 messages is of model {digest}")


def destroy(checkout: Checkout) -> str:
    """Destroy the inference stack of dev; return the output of CDK."""
    file = checkout.root / ".local/aws/endpoint.json"
    endpoint = json.loads(file.read_text(encoding="utf-8"))
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
            "AWS_SECRET_ACCESS_KEY": secret(file, "111111111111"),
            "AWS_REGION": "eu-central-1",
            "CDK_HOME": str(checkout.root / ".local/cdk"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr
