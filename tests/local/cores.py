"""Complete virtual cores in dev's fleet, and the reports of their cameras."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deeplens.config import load_environment
from local_aws.core_device.layout import Identity, Layout
from local_aws.core_device.provisioning import provision
from testkit.account_keys import client
from testkit.checkout import ROOT, Checkout
from testkit.waiting import eventually

ACCOUNT, REGION, GROUP = "111111111111", "eu-central-1", "deeplens-dev"


@dataclass(frozen=True)
class Cores:
    """A fleet of complete virtual cores, which run the published function with the model."""

    checkout: Checkout
    things: list[str]

    def client(self, service: str) -> Any:
        return client(service, self.checkout.root / ".local/aws/endpoint.json", ACCOUNT, REGION)

    def heartbeats(self) -> dict[str, dict[str, Any]]:
        """Return the reported state of each camera with a heartbeat, by thing."""
        iot_data = self.client("iot-data")
        found = {}
        for thing in self.things:
            try:
                answer = iot_data.get_thing_shadow(thingName=thing, shadowName="deeplens")
            except iot_data.exceptions.ResourceNotFoundException:
                continue
            found[thing] = json.loads(answer["payload"].read())["state"]["reported"]
        return found

    def wait_until_all_run(self, digest: str, since: float = 0.0) -> None:
        """Wait until each camera reports frames of the model; ignore heartbeats before `since`.

        `since` is in seconds since the epoch.
        """

        def all_run() -> bool:
            beats = self.heartbeats()
            return len(beats) == len(self.things) and all(
                beat["status"] == "running"
                and (beat["model"] or {}).get("digest") == digest
                and beat["frames"] > 0
                and _seconds(beat["heartbeat_at"]) > since
                for beat in beats.values()
            )

        eventually(all_run, self.heartbeats, seconds=1200, pause=0.5)


@contextmanager
def full_cores(
    checkout: Checkout,
    count: int,
    outputs: dict[str, str],
    *options: object,
    environment: dict[str, str] | None = None,
) -> Iterator[Cores]:
    """Provision `count` cores, and run them with options of `core run` during the `with` block."""
    cores = Cores(checkout, [f"dev-camera-{number}" for number in range(1, count + 1)])
    core_runtime = load_environment(checkout.root / "environments/dev.toml").fleet.core_runtime
    alias, policy = outputs["RoleAliasName"], outputs["CoreDevicePolicyName"]
    for thing in cores.things:
        identity = Identity(thing, GROUP, ACCOUNT, REGION, alias, "", core_runtime)
        layout = Layout.of(thing, checkout.root / ".local/cores")
        provision(cores.client("iot"), layout, identity, policy)
    command = [ROOT / ".venv-local-aws/bin/python", "-m", "local_aws", "core", "run",
               "--camera-folder", checkout.root / ".local/scenes", *map(str, options),
               "--thing"]  # fmt: skip
    running = [
        subprocess.Popen(
            [*command, thing],
            cwd=checkout.root,
            env={**os.environ, "PYTHONPATH": str(checkout.root), **(environment or {})},
            start_new_session=True,
        )
        for thing in cores.things
    ]
    try:
        yield cores
        assert all(core.poll() is None for core in running)
    finally:
        for core in running:
            core.send_signal(signal.SIGTERM)
        for core in running:
            core.wait(300)


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
