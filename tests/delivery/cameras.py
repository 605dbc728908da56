"""Complete virtual cores, each in the fleet of one environment, with different images."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from local_aws.core_device.layout import Identity, Layout
from local_aws.core_device.provisioning import provision
from model_tools.samples.shapes.drawing import write_scenes
from tests.delivery.conftest import ROOT, Site

REGION = "eu-central-1"


def dark_room(folder: Path) -> Path:
    """Write a folder with one black image, which contains no objects; return the folder."""
    folder.mkdir()
    Image.new("RGB", (512, 384)).save(folder / "scene-0001.png")
    return folder


def bright_room(folder: Path) -> Path:
    """Write a folder with two images of drawn shapes; return the folder."""
    write_scenes(folder, 2, seed=0)
    return folder


@contextmanager
def cameras(site: Site, rooms: dict[str, Path]) -> Iterator[None]:
    """Provision and run one core per environment during the block, with the images of `rooms`."""
    running = []
    try:
        for name, pictures in rooms.items():
            thing, environment = f"{name}-camera-1", site.environment(name)
            devices = site.outputs(name, "Devices")
            identity = Identity(
                thing,
                environment.fleet.thing_group,
                environment.account,
                REGION,
                devices["RoleAliasName"],
                "",
                environment.fleet.core_runtime,
            )
            layout = Layout.of(thing, site.root / ".local/cores")
            policy = devices["CoreDevicePolicyName"]
            provision(site.client(name, "iot"), layout, identity, policy)
            running.append(
                subprocess.Popen(
                    [ROOT / ".venv-local-aws/bin/python", "-m", "local_aws", "core", "run",
                     "--camera-folder", pictures, "--thing", thing],
                    cwd=site.root,
                    env={**os.environ, "PYTHONPATH": str(site.root)},
                    start_new_session=True,
                )
            )  # fmt: skip
        yield
        assert all(core.poll() is None for core in running)
    finally:
        for core in running:
            core.send_signal(signal.SIGTERM)
        for core in running:
            core.wait(300)


def heartbeat(site: Site, name: str) -> dict[str, Any]:
    """Return the last heartbeat of an environment's camera, or an empty dict if none exists."""
    client = site.client(name, "iot-data")
    try:
        answer = client.get_thing_shadow(thingName=f"{name}-camera-1", shadowName="deeplens")
    except client.exceptions.ResourceNotFoundException:
        return {}
    reported: dict[str, Any] = json.loads(answer["payload"].read())["state"]["reported"]
    return reported


def wait_until_running(site: Site, names: Sequence[str], digest: str, seconds: float = 900) -> None:
    """Wait until each environment's camera reports frames of the model with this digest."""
    end = time.monotonic() + seconds
    for name in names:
        while True:
            beat = heartbeat(site, name)
            if (
                beat.get("status") == "running"
                and (beat.get("model") or {}).get("digest") == digest
                and beat["frames"] > 0
            ):
                break
            assert time.monotonic() < end, f"{name}: {beat}"
            time.sleep(0.5)
