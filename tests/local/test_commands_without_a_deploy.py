"""The demo's commands report one error if nothing is deployed or the emulator fails."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testkit.checkout import ROOT, Checkout, fresh_checkout

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def nothing_deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with fresh_checkout(tmp_path_factory.mktemp("nothing")) as made:
        yield made


def test_a_camera_of_a_fleet_that_was_not_deployed_says_what_deploys_it(
    nothing_deployed: Checkout,
) -> None:
    said = nothing_deployed.refused("camera", "dev")
    assert "the stack dev-Devices is not on the emulator" in said
    assert "`deeplens local deploy dev` deploys it" in said


def test_watching_says_that_the_broker_cannot_be_reached(nothing_deployed: Checkout) -> None:
    with changed_endpoint(nothing_deployed, mqtt_port=1):
        said = nothing_deployed.refused("watch", "dev")
    assert "the MQTT broker at 127.0.0.1:1 rejects the subscription to deeplens/+/infer" in said


def test_watching_says_that_the_emulator_does_not_answer(nothing_deployed: Checkout) -> None:
    with changed_endpoint(nothing_deployed, endpoint_url="http://127.0.0.1:1"):
        said = nothing_deployed.refused("watch", "dev")
    assert 'the emulator: Could not connect to the endpoint URL: "http://127.0.0.1:1/' in said


def test_watching_without_a_camera_gives_a_hint_and_ends_with_the_emulator(
    nothing_deployed: Checkout,
) -> None:
    with subprocess.Popen(
        [ROOT / ".venv/bin/python", "-m", "deeplens", "local", "watch", "dev"],
        cwd=nothing_deployed.root,
        env={**os.environ, "PYTHONPATH": str(nothing_deployed.root)},
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline() == "listening to deeplens/+/infer; Ctrl-C ends\n"
        assert "`deeplens local camera dev` starts a camera" in watching.stderr.readline()
        with changed_endpoint(nothing_deployed, mqtt_port=1):
            assert watching.wait(120) == 1
        assert "the emulator has ended" in watching.stderr.read()


@contextmanager
def changed_endpoint(checkout: Checkout, **changes: object) -> Iterator[None]:
    file = checkout.root / ".local/aws/endpoint.json"
    right = file.read_text(encoding="utf-8")
    file.write_text(json.dumps({**json.loads(right), **changes}), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(right, encoding="utf-8")
