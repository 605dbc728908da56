"""The generic twin, deployed: the same detections as the Lambda component's, by the same loop."""

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
            destroy(checkout)
    finally:
        file.write_text(classic, encoding="utf-8")
