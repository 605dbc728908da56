"""A fleet on nucleus lite, deployed: the camera's loop as a generic component, and its releases."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest

from model_tools.shapes.scenes import write_scenes
from stacks.config import load_environment
from tests.local.checkout import (
    Checkout,
    desire,
    destroy,
    first_of,
    heartbeat,
    virtual_camera,
    watch,
)
from tests.waiting import eventually

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_a_fleet_on_lite_runs_the_same_loop_as_a_generic_component(checkout: Checkout) -> None:
    write_scenes(checkout.root / ".local/scenes", 6, seed=0)
    file = checkout.root / "environments/dev.toml"
    classic = file.read_text(encoding="utf-8")
    file.write_text(classic.replace("[fleet]", '[fleet]\ncore_runtime = "lite"'), encoding="utf-8")
    try:
        checkout.demo("deploy", "dev")
        with virtual_camera(checkout):
            digest = load_environment(file).model.digest
            messages = [first_of(checkout, digest), *watch(checkout, 3)]
            assert {message["model"]["digest"] for message in messages} == {digest}
            assert all(message["detections"] for message in messages)
            assert ":function:deeplens-dev-inference:" in heartbeat(checkout)["function"]
            desire(checkout, {"threshold": 0.5})
        restarted_at = time.time()
        with virtual_camera(checkout):
            # A core that starts again needs no deployment.
            eventually(lambda: runs_since(checkout, restarted_at), lambda: heartbeat(checkout))

            with crashes_at_start(checkout):
                failed = checkout.run("deploy", "dev", timeout_seconds=900)
            assert failed.returncode == 1
            # Lite rolls nothing back: the old components come with a deployment of their own.
            restored_at = time.time()
            eventually(lambda: runs_since(checkout, restored_at), lambda: heartbeat(checkout))
            assert heartbeat(checkout)["model"]["digest"] == digest

            destroy(checkout)
            current = checkout.root / ".local/cores/dev-camera-1/greengrass/v2/config/current.json"
            eventually(lambda: json.loads(current.read_text("utf-8"))["components"] == [])
    finally:
        file.write_text(classic, encoding="utf-8")


def runs_since(checkout: Checkout, moment: float) -> bool:
    """Return whether the camera that started after a moment, in seconds since 1970, runs."""
    beat = heartbeat(checkout)
    started = datetime.fromisoformat(beat["heartbeat_at"]).timestamp()
    return beat["status"] == "running" and beat["frames"] > 0 and started > moment


@contextmanager
def crashes_at_start(checkout: Checkout) -> Iterator[None]:
    """Change the loop that cameras run: its process ends with an error when it starts."""
    file = checkout.root / "lambda_src/inference/camera/__main__.py"
    source = file.read_text(encoding="utf-8")
    file.write_text(f"raise SystemExit(7)\n{source}", encoding="utf-8")
    yield
    file.write_text(source, encoding="utf-8")
