"""A fleet of each nucleus receives releases by `cdk deploy`; lite uses the generic component."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest

from deeplens.config import load_environment
from model_tools.samples.shapes.drawing import write_scenes
from testkit.account_keys import client
from testkit.checkout import (
    Checkout,
    destroy,
    first_of,
    heartbeat,
    virtual_camera,
    watch,
)
from testkit.waiting import eventually

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.walk,
    pytest.mark.timeout(1200),
]


@pytest.fixture(params=["lite", "classic"])
def core_runtime(request: pytest.FixtureRequest, checkout: Checkout) -> Iterator[str]:
    """The core software of dev's fleet, which the environment file contains during one test."""
    file = checkout.root / "environments/dev.toml"
    text = file.read_text(encoding="utf-8")
    runtime = f'[fleet]\ncore_runtime = "{request.param}"'
    file.write_text(text.replace("[fleet]", runtime), encoding="utf-8")
    yield request.param
    file.write_text(text, encoding="utf-8")


def test_a_fleet_takes_a_release_survives_a_restart_and_a_defective_release_and_is_emptied(
    checkout: Checkout, core_runtime: str
) -> None:
    write_scenes(checkout.root / ".local/scenes", 6, seed=0)
    digest = load_environment(checkout.root / "environments/dev.toml").model.digest
    checkout.demo("deploy", "dev")
    with virtual_camera(checkout):
        messages = [first_of(checkout, digest), *watch(checkout, 3)]
        assert {message["model"]["digest"] for message in messages} == {digest}
        assert all(message["detections"] for message in messages)
        assert ":function:deeplens-dev-inference:" in heartbeat(checkout)["function"]
        assert reported_runtime(checkout) == f"aws_nucleus_{core_runtime}"
    restarted_at = time.time()
    with virtual_camera(checkout):
        # A restarted core runs its components without a new deployment.
        eventually(lambda: runs_since(checkout, restarted_at), lambda: heartbeat(checkout))

        with ends_at_start(checkout, core_runtime):
            failed = checkout.run("deploy", "dev", timeout_seconds=900)
        assert failed.returncode == 1
        # Nucleus lite does not roll back, so another deployment restores the old components.
        restored_at = time.time()
        eventually(lambda: runs_since(checkout, restored_at), lambda: heartbeat(checkout))
        assert heartbeat(checkout)["model"]["digest"] == digest

        destroy(checkout)
        current = checkout.root / ".local/cores/dev-camera-1/greengrass/v2/config/current.json"
        eventually(lambda: json.loads(current.read_text("utf-8"))["components"] == [])


def reported_runtime(checkout: Checkout) -> str:
    """Return the core software that the core device reports."""
    greengrass = client("greengrassv2", checkout.root / ".local/aws/endpoint.json", "111111111111")
    return str(greengrass.get_core_device(coreDeviceThingName="dev-camera-1")["runtime"])


def runs_since(checkout: Checkout, moment: float) -> bool:
    """Return true if the camera runs, and its last heartbeat is newer than `moment`.

    `moment` is in seconds since the epoch.
    """
    beat = heartbeat(checkout)
    started = datetime.fromisoformat(beat["heartbeat_at"]).timestamp()
    return beat["status"] == "running" and beat["frames"] > 0 and started > moment


@contextmanager
def ends_at_start(checkout: Checkout, core_runtime: str) -> Iterator[None]:
    """Change the camera's program to fail at its start, during the `with` block."""
    program = "handler.py" if core_runtime == "classic" else "camera/__main__.py"
    file = checkout.root / "lambda_src/inference" / program
    source = file.read_text(encoding="utf-8")
    file.write_text(f"raise SystemExit(7)\n{source}", encoding="utf-8")
    yield
    file.write_text(source, encoding="utf-8")
