"""Measurements of rollouts: exposure, the gate's results, and 1,000 devices on the emulator.

    make benchmark-fleet

All input is drawn from seeds, and everything runs on this machine. Each row contains its goal; the
exit code is 1 if a goal is missed.
"""

import argparse
import contextlib
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import boto3
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from benchmarks.exposure import journey
from local_aws.process.endpoint import secret_access_key
from shared.fleet.deployments import FUNCTION_TAG, MODEL_TAG, DesiredDeployment
from shared.fleet.gate import GateRule, evaluate_gate
from shared.fleet.queries import FleetQueries
from shared.fleet.rollout import Rollout, RolloutPlan, Wave
from testkit import gate_streams
from testkit.simulated_fleet.cores import Clients, SimulatedFleet, SimulatedRelease
from testkit.simulated_fleet.fault_model import FaultRates, draw

ROOT = Path(__file__).resolve().parent.parent
REGION, ACCOUNT, GROUP = "eu-central-1", "111111111111", "deeplens-benchmark"
_TARGET_ARN = f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/{GROUP}"
FLEETS, STREAMS, DEVICES = 1_000, 100_000, 1_000
ROLLOUT_SECONDS, LAST_HEARTBEAT_SECONDS = 60.0, 15.0
_CORES = 2
_CHUNK = 500


@dataclass(frozen=True)
class Row:
    """A measurement with its goal."""

    name: str
    measured: str
    goal: str
    reached: bool


def exposure(fleets: int) -> list[Row]:
    """Simulate rollouts on `fleets` seeded fleets, and compare the exposure with the plan."""
    with ProcessPoolExecutor(_CORES) as pool:
        journeys = list(pool.map(journey, range(fleets), chunksize=20))
    worst = max(journey.beyond_the_plan for journey in journeys)
    stopped = [journey for journey in journeys if not journey.passed]
    let_through = sum(
        journey.passed and journey.truly_bad_percent > journey.error_percent for journey in journeys
    )
    reached = median([journey.exposed for journey in stopped]) if stopped else 0
    return [
        Row(
            f"devices beyond the plan's worst case, {fleets} fleets of {DEVICES}",
            f"{max(worst, 0)}", "0", worst <= 0,
        ),
        Row(
            "releases that passed with more bad devices than the rule allows",
            f"{let_through} of {fleets}", "0", not let_through,
        ),
        Row(
            f"devices that a stopped release reached, median of {len(stopped)}",
            f"{reached:g} of {DEVICES}", "-", reached=True,
        ),
    ]  # fmt: skip


def verdicts(streams: int) -> list[Row]:
    """Compare the gate's results on random event streams with the known states of the devices."""
    chunks = [(start, min(start + _CHUNK, streams)) for start in range(0, streams, _CHUNK)]
    with ProcessPoolExecutor(_CORES) as pool:
        wrong = sum(pool.map(_wrong_verdicts, *zip(*chunks, strict=True)))
    return [Row(f"wrong verdicts over {streams} event streams", str(wrong), "0", not wrong)]


def _wrong_verdicts(first: int, end: int) -> int:
    return sum(not _is_right(seed) for seed in range(first, end))


def _is_right(seed: int) -> bool:
    drawn = random.Random(seed)  # noqa: S311 - deterministic, not for security
    truths = drawn.choices(gate_streams.TRUTHS, k=drawn.randrange(1, 13))
    if drawn.random() < 0.3:
        truths = [drawn.choice(["good", "off"]) for _ in truths]
    stories = [gate_streams.story(f"cam-{n:02d}", truth) for n, truth in enumerate(truths)]
    rule = GateRule(
        success_percent=drawn.choice([0.0, 50.0, 90.0, 100.0]),
        error_percent=drawn.choice([0.0, 10.0, 50.0, 100.0]),
        minimum_devices=drawn.randrange(5),
    )
    late = drawn.random() < 0.5
    goal = replace(gate_streams.TARGET, deadline=gate_streams.NOW) if late else gate_streams.TARGET
    verdict = evaluate_gate(
        goal, rule, [story.thing for story in stories],
        gate_streams.disturbed(stories, drawn), gate_streams.NOW,
    )  # fmt: skip
    standings = [device.outcome for device in verdict.devices]
    expected = gate_streams.LATE_OUTCOMES if late else gate_streams.OUTCOMES
    return (
        standings == [expected[truth] for truth in truths]
        and verdict.state == gate_streams.expected_state(truths, rule, late=late)
    )  # fmt: skip


def emulated_rollout(devices: int) -> list[Row]:
    """Measure a rollout in waves to simulated core devices, through the emulator's APIs."""
    with emulator() as client:
        things = _fleet(client, devices)
        clients = Clients(client("iot"), client("iot-data"), client("iot-jobs-data"))
        fault_rates = FaultRates(
            offline=0.02, power_loss=0.02, slow=0.1, slow_download_seconds=4.0,
            clock_skew_seconds=3600.0,
        )  # fmt: skip
        fleet = SimulatedFleet(
            clients, things,
            release_of=lambda _: SimulatedRelease("a" * 64, "function"),
            draw_of=lambda thing, _: draw(fault_rates, 0, thing, "a"),
            heartbeat_seconds=60.0,
            poll_seconds=0.2,
        )  # fmt: skip
        fleet.join()
        with fleet:
            began = time.time()
            verdict = _rollout(client).run(_desired(), _plan())
            ended = time.time()
        if fleet.errors:
            raise fleet.errors[0]
    last = max(core.started_at for core in fleet.cores.values())
    seconds = ended - began
    good = len(verdict.with_outcome("good"))
    offline = len(verdict.with_outcome("offline"))
    return [
        Row(
            f"rollout in 3 waves to {devices} devices on the emulator ({good} good, {offline} off)",
            f"{seconds:.1f} s", f"< {ROLLOUT_SECONDS:.0f} s", seconds < ROLLOUT_SECONDS,
        ),
        Row(
            "from the last device's first heartbeat to the end of the wait",
            f"{ended - last:.1f} s", f"< {LAST_HEARTBEAT_SECONDS:.0f} s",
            ended - last < LAST_HEARTBEAT_SECONDS,
        ),
    ]  # fmt: skip


def _fleet(client: Callable[[str], Any], devices: int) -> list[str]:
    iot = client("iot")
    iot.create_thing_group(thingGroupName=GROUP)
    things = [f"cam-{number:04d}" for number in range(devices)]
    for thing in things:
        iot.create_thing(thingName=thing)
        iot.add_thing_to_thing_group(thingGroupName=GROUP, thingName=thing)
    recipe = {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": "app",
        "ComponentVersion": "1.0.0",
        "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": {"run": "true"}}],
    }
    greengrass = client("greengrassv2")
    greengrass.create_component_version(inlineRecipe=json.dumps(recipe).encode())
    # A rollout in waves requires an earlier deployment to the fleet.
    greengrass.create_deployment(targetArn=_TARGET_ARN)
    return things


def _rollout(client: Callable[[str], Any]) -> Rollout:
    fleet = FleetQueries(
        iot=client("iot"), iot_data=client("iot-data"), greengrass=client("greengrassv2")
    )
    return Rollout(fleet, GROUP, "benchmark", lambda: 600.0)


def _desired() -> DesiredDeployment:
    return DesiredDeployment(
        target_arn=_TARGET_ARN,
        name="benchmark",
        components={"app": {"componentVersion": "1.0.0"}},
        policies={"failureHandlingPolicy": "ROLLBACK"},
        tags={MODEL_TAG: "a" * 64, FUNCTION_TAG: "function"},
    )


def _plan() -> RolloutPlan:
    waves = tuple(
        Wave(None, percent, wait_seconds=120, bake_seconds=0, pause_seconds=0)
        for percent in (1.0, 10.0)
    )
    rule = GateRule(success_percent=95.0, error_percent=2.0, offline_after_seconds=5.0)
    return RolloutPlan(rule=rule, waves=waves, wait_seconds=300.0, bake_seconds=0.0)


@contextlib.contextmanager
def emulator() -> Iterator[Callable[[str], Any]]:
    """Start an emulator, and yield a function that creates its clients."""
    with tempfile.TemporaryDirectory() as folder:
        python = str(ROOT / ".venv-local-aws/bin/python")
        command = [python, "-m", "local_aws", "--state", folder]
        subprocess.run([*command, "up"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        endpoint = json.loads((Path(folder) / "endpoint.json").read_text(encoding="utf-8"))

        def client(service: str) -> Any:
            connect: Any = boto3.client  # the stub of `boto3.client` requires a literal name
            return connect(
                service, endpoint_url=endpoint["endpoint_url"], region_name=REGION,
                aws_access_key_id=ACCOUNT,
                aws_secret_access_key=secret_access_key(endpoint["root_key"], ACCOUNT),
                config=Config(max_pool_connections=16),
            )  # fmt: skip

        try:
            yield client
        finally:
            subprocess.run([*command, "down"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


PARTS: dict[str, Callable[[], list[Row]]] = {
    "exposure": lambda: exposure(FLEETS),
    "verdicts": lambda: verdicts(STREAMS),
    "rollout": lambda: emulated_rollout(DEVICES),
}


def main(arguments: Iterable[str]) -> int:
    """Run and print the given measurements, by default all; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; else all")
    parts = parser.parse_args(list(arguments)).parts or list(PARTS)
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"given {', '.join(unknown)}, expected some of {', '.join(PARTS)}")
    logging.basicConfig(level=logging.WARNING)
    console = Console()
    rows = []
    for part in parts:
        console.print(f"measures {part} …")
        started = time.monotonic()
        rows += PARTS[part]()
        console.print(f"  {time.monotonic() - started:.0f} s")
    table = Table()
    for heading in ("measurement", "measured", "goal", ""):
        table.add_column(heading)
    for row in rows:
        table.add_row(row.name, row.measured, row.goal, "reached" if row.reached else "MISSED")
    console.print(table)
    # On a busy machine, times are longer, but counts do not change.
    console.print(f"load of this machine over the last minute: {os.getloadavg()[0]:.1f}")
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
