"""Both component types return the same detections for the same images on nucleus classic."""

from typing import Any

import pytest

from deeplens.config import load_environment
from model_tools.samples.shapes.drawing import write_scenes
from testkit.account_keys import client
from testkit.checkout import Checkout, destroy, heartbeat, virtual_camera, watch
from testkit.waiting import eventually

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.walk,
    pytest.mark.timeout(1800),
]

_SCENES = 6


def detections(checkout: Checkout) -> dict[str, Any]:
    """Return the detections by image, with numbers rounded to four decimals."""
    by_image: dict[str, Any] = {}
    while len(by_image) < _SCENES:
        # Consecutive messages, because single ones can repeat a part of the images.
        for message in watch(checkout, _SCENES):
            if "detections" not in message:
                continue
            by_image[message["frame"]["source"]] = [
                (
                    detection["label"],
                    round(detection["score"], 4),
                    {side: round(at, 4) for side, at in detection["box"].items()},
                )
                for detection in message["detections"]
            ]
    return by_image


def installed(checkout: Checkout) -> dict[str, str]:
    """Return the state of each project component on the device."""
    greengrass = client("greengrassv2", checkout.root / ".local/aws/endpoint.json", "111111111111")
    components = greengrass.list_installed_components(coreDeviceThingName="dev-camera-1")
    return {
        component["componentName"]: component["lifecycleState"]
        for component in components["installedComponents"]
        if component["componentName"].startswith("deeplens.")
    }


def test_a_fleet_changes_to_generic_components_and_detects_the_same(deployed: Checkout) -> None:
    checkout = deployed
    write_scenes(checkout.root / ".local/scenes", _SCENES, seed=0)
    file = checkout.root / "environments/dev.toml"
    as_lambda = file.read_text(encoding="utf-8")
    model = f"deeplens.dev.model.{load_environment(file).model.name}"
    with virtual_camera(checkout):
        by_lambda = detections(checkout)
        file.write_text(
            as_lambda.replace("[inference]\n", '[inference]\ncomponent = "generic"\n'),
            encoding="utf-8",
        )
        try:
            checkout.demo("deploy", "dev")
            eventually(
                lambda: installed(checkout).keys() == {"deeplens.dev.camera", model},
                lambda: installed(checkout),
            )
            assert installed(checkout)["deeplens.dev.camera"] == "RUNNING"
            assert detections(checkout) == by_lambda
            assert ":function:deeplens-dev-inference:" in heartbeat(checkout)["function"]
            destroy(checkout)
        finally:
            file.write_text(as_lambda, encoding="utf-8")
