"""The virtual core in lite mode sends the messages of a real lite device.

The test plays the cloud of the device's transcript.
"""

import asyncio
import base64
import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.core_device.device import CoreDevice
from local_aws.core_device.layout import Identity, Layout
from local_aws.core_device.nucleus import Pauses
from local_aws.core_device.recipe import architecture
from local_aws.process.endpoint import Endpoint
from local_aws.transcripts import events
from testkit.waiting import HANG_SECONDS
from tests.emulator.running_emulator import ACCOUNT, REGION, recipe
from tests.emulator.transcripts.cloud_player import CloudPlayer
from tests.emulator.transcripts.lite_fleet import ARTIFACT, KEY, LITE, VERSION, manifest

pytestmark = pytest.mark.emulator

COMPONENT, BUCKET = "com.example.camera", "deeplens-models"
QUICK = Pauses(restart_seconds=0.01, settle_seconds=0.0, unit_seconds=5.0)
SECRETS = ("access_key_id", "secret_access_key", "session_token")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudPlayer]:
    # The component runs until a file exists, and then fails at each start.
    runs = manifest(BUCKET)
    runs["Lifecycle"] = {"run": f"while [ ! -e {tmp_path}/crash ]; do sleep 0.05; done; exit 1"}
    runs["Artifacts"][0] |= {
        "Digest": base64.b64encode(hashlib.sha256(ARTIFACT).digest()).decode(),
        "Algorithm": "SHA-256",
    }
    text = json.dumps(recipe(COMPONENT, VERSION, Manifests=[runs]))
    bindings: dict[str, Any] = {
        "thing": "camera-1", "account": ACCOUNT, "region": REGION, "group": "dev",
        "alias": "devices", "bucket": BUCKET, "key": KEY, "component": COMPONENT,
        "architecture": architecture(), "recipe": base64.b64encode(text.encode()).decode(),
        "revision1": 1, "revision2": 2, "expiration": "2099-01-01T00:00:00Z",
        **{name: f"played-{name}" for name in SECRETS},
    }  # fmt: skip
    made = CloudPlayer(events.read(LITE), bindings, tmp_path, {(BUCKET, KEY): ARTIFACT})
    yield made
    made.stop()


@pytest.fixture
def core(cloud: CloudPlayer, tmp_path: Path) -> Iterator[None]:
    """A running virtual core in lite mode, provisioned for the cloud player."""
    layout = Layout.of("camera-1", tmp_path / "cores")
    layout.write_identity(
        Identity("camera-1", "dev", ACCOUNT, REGION, "devices", "", core_runtime="lite")
    )
    certificate, key = cloud.issue("camera-1")
    layout.certificate.write_bytes(certificate)
    layout.private_key.write_bytes(key)
    at = cloud.addresses
    endpoint = Endpoint(
        pid=0,
        endpoint_url=f"http://127.0.0.1:{at.s3_port}",
        mqtt_host="127.0.0.1",
        mqtt_port=at.mqtt_port,
        device_port=at.device_port,
        ca_file=str(at.ca_file),
        root_key="",
    )
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def work() -> None:
        await CoreDevice(endpoint, layout, Path(sys.executable), None, pauses=QUICK).run(stop)

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
    thread.start()
    yield
    loop.call_soon_threadsafe(stop.set)
    thread.join(HANG_SECONDS)
    assert not thread.is_alive()
    loop.close()


@pytest.mark.usefixtures("core")
def test_the_virtual_core_sends_what_the_lite_device_sent(
    cloud: CloudPlayer, tmp_path: Path
) -> None:
    for event in cloud.play():
        if event["do"].startswith("crash"):
            (tmp_path / "crash").touch()
        elif not event["components"]:
            (tmp_path / "crash").unlink()
    # The component restarts after each crash, and nucleus lite repeats its messages.
    for name, packet in cloud.unexpected:
        assert name == "publish", packet
        assert packet["payload"]["trigger"] == "COMPONENT_STATUS_CHANGE", packet
