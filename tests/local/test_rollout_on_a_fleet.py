"""On complete virtual cores, good releases roll out in waves, and bad releases are rolled back.

`FLEET_CORES` sets the number of cores; the default is 3 cores.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deeplens.config import load_environment
from model_tools.samples.shapes.drawing import write_scenes
from testkit.checkout import Checkout
from testkit.releases import blind_model, good_model
from testkit.waiting import eventually
from tests.local.cores import GROUP, Cores, full_cores

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(3600)]

COUNT = int(os.environ.get("FLEET_CORES", "3"))
ENVIRONMENT = """\
account = "111111111111"
region = "eu-central-1"
permissions_boundary = "DeepLensBoundary"
[model]
name = "shapes"
digest = "{digest}"
[model_store]
bucket_name = "deeplens-dev-111111111111-eu-central-1"
termination_protection = false
[fleet]
thing_group = "deeplens-dev"
[inference]
threshold = 0.5
topic = "deeplens/{{thing}}/infer"
frame_interval_seconds = 1.0
heartbeat_interval_seconds = 5
[rollout]
wait_seconds = 360
minimum_devices = {count}
minimum_frames_per_second = {fps}
offline_after_seconds = 120
[[rollout.waves]]
percent = {one_device_percent}
wait_seconds = {first_wave_seconds}
[[rollout.waves]]
percent = 66
wait_seconds = 200
"""


@dataclass
class Fleet:
    """The deployed environment, its cores, and the digest of the good release."""

    checkout: Checkout
    cores: Cores
    digest: str
    # The duration of the first release, from the download to the reported frames.
    start_seconds: float

    @property
    def first_wave_seconds(self) -> int:
        """The wait of the first wave: five times `start_seconds`, from 40 to 200 s.

        In this time, a camera must start a release and report frames. A busy machine needs more
        time than the minimum.
        """
        return max(40, min(200, round(5 * self.start_seconds)))

    @property
    def models(self) -> Path:
        return self.checkout.root / "models"

    def pin(self, digest: str, *, first_wave_seconds: int = 200, fps: float = 0.0) -> None:
        text = ENVIRONMENT.format(
            digest=digest,
            count=COUNT,
            first_wave_seconds=first_wave_seconds,
            fps=fps,
            one_device_percent=100 / COUNT,
        )
        (self.checkout.root / "environments/dev.toml").write_text(text, encoding="utf-8")

    def deploy(self, code: int = 0) -> str:
        """Deploy dev, and check the exit code; return the command's output with CDK's log."""
        done = self.checkout.run("deploy", "dev", timeout_seconds=2400)
        log = self.checkout.root / ".local/logs/deploy-dev.log"
        said = done.stdout + done.stderr + (log.read_text(encoding="utf-8") if log.exists() else "")
        assert done.returncode == code, said
        return said


@pytest.fixture(scope="module")
def fleet(deployed: Checkout) -> Iterator[Fleet]:
    """A fleet with the first release on every camera."""
    digest = load_environment(deployed.root / "environments/dev.toml").model.digest
    for other in ("staging", "production"):
        (deployed.root / f"environments/{other}.toml").unlink()
    write_scenes(deployed.root / ".local/scenes", 4, seed=0)
    cores = Cores(deployed, [])
    [stack] = cores.client("cloudformation").describe_stacks(StackName="dev-Devices")["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    began = time.monotonic()
    with full_cores(deployed, COUNT, outputs) as cores:
        cores.wait_until_all_run(digest)
        yield Fleet(deployed, cores, digest, time.monotonic() - began)


def test_a_good_model_rolls_out_in_waves_to_the_whole_fleet(fleet: Fleet) -> None:
    digest = good_model(fleet.models, fleet.digest, "2.0.0")
    fleet.pin(digest)
    said = fleet.deploy()
    assert f"{COUNT} of {COUNT} reachable devices run the release" in said
    fleet.cores.wait_until_all_run(digest)
    fleet.digest = digest

    greengrass = fleet.cores.client("greengrassv2")
    arn = f"arn:aws:iot:eu-central-1:111111111111:thinggroup/{GROUP}"
    waves = greengrass.list_deployments(parentTargetArn=arn)["deployments"]
    [whole] = greengrass.list_deployments(targetArn=arn, historyFilter="LATEST_ONLY")["deployments"]
    order = sorted([*waves, whole], key=lambda one: one["creationTimestamp"])
    assert [one["targetArn"].rpartition("/")[2] for one in order] == [
        f"deeplens-dev-wave-1-of-{GROUP}",
        f"deeplens-dev-wave-2-of-{GROUP}",
        GROUP,
    ]


Bad = Callable[[Fleet, Path], AbstractContextManager[None]]


@contextmanager
def loads_but_never_detects(fleet: Fleet, _scratch: Path) -> Iterator[None]:
    """Pin a model that processes the black test image, and fails on every camera image."""
    digest = blind_model(fleet.models, fleet.digest)
    fleet.pin(digest, first_wave_seconds=fleet.first_wave_seconds)
    yield


@contextmanager
def crashes(fleet: Fleet, _scratch: Path) -> Iterator[None]:
    """Pin a good model, and change the function to abort on the first frame after every start."""
    fleet.pin(good_model(fleet.models, fleet.digest, "5.0.0"))
    with before_each_inference(fleet.checkout, "__import__('os').abort()"):
        yield


@contextmanager
def has_a_corrupt_artifact(fleet: Fleet, _scratch: Path) -> Iterator[None]:
    """Pin a good model, and overwrite its artifact in the bucket before a device downloads it."""
    digest = good_model(fleet.models, fleet.digest, "6.0.0")
    fleet.pin(digest)
    done = threading.Event()
    thread = threading.Thread(target=corrupt, args=(fleet.cores, digest, done))
    thread.start()
    yield
    done.set()
    thread.join()


@contextmanager
def halves_the_frame_rate(fleet: Fleet, _scratch: Path) -> Iterator[None]:
    """Pin a good model, and delay each inference by 4 s; the results remain correct."""
    digest = good_model(fleet.models, fleet.digest, "4.0.0")
    fleet.pin(digest, first_wave_seconds=fleet.first_wave_seconds, fps=0.6)
    with before_each_inference(fleet.checkout, "time.sleep(4)"):
        yield


@contextmanager
def before_each_inference(checkout: Checkout, statement: str) -> Iterator[None]:
    """Change the function to execute a statement before each inference, during the `with` block."""
    file = checkout.root / "lambda_src/inference/camera/inference.py"
    source = file.read_text(encoding="utf-8")
    call = "detections = loaded.engine.infer(frame.image)"
    assert call in source
    file.write_text(source.replace(call, f"{statement}\n        {call}"), "utf-8")
    yield
    file.write_text(source, encoding="utf-8")


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (crashes, "is BROKEN"),
        pytest.param(
            loads_but_never_detects,
            "without a frame; last error: index 20 is out of bounds",
            marks=pytest.mark.walk,
        ),
        pytest.param(has_a_corrupt_artifact, "ARTIFACT_CHECKSUM_MISMATCH", marks=pytest.mark.walk),
        pytest.param(halves_the_frame_rate, "the rule requires 0.6", marks=pytest.mark.walk),
    ],
)
def test_a_bad_release_is_stopped_and_the_whole_fleet_ends_on_the_old_model(
    fleet: Fleet, bad: Bad, expected: str, tmp_path: Path
) -> None:
    began = time.time()
    before = {beat["function"] for beat in fleet.cores.heartbeats().values()}
    with bad(fleet, tmp_path):
        said = fleet.deploy(code=1)
    fleet.pin(fleet.digest)
    one_line = " ".join(said.split())
    assert expected in one_line, said
    assert f"wave 1 of 2 (deeplens-dev-wave-1-of-{GROUP})" in one_line
    assert "dev-camera-" in one_line
    [stack] = fleet.cores.client("cloudformation").describe_stacks(StackName="dev-Inference")[
        "Stacks"
    ]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    # Only the first wave received the bad release, and now every camera reports the good release.
    fleet.cores.wait_until_all_run(fleet.digest, since=began)
    assert {beat["function"] for beat in fleet.cores.heartbeats().values()} == before


def corrupt(cores: Cores, digest: str, done: threading.Event) -> None:
    """Overwrite an artifact as soon as a component in Greengrass refers to the artifact."""
    greengrass, s3 = cores.client("greengrassv2"), cores.client("s3")
    key = f"{digest}/model.zip"

    def is_known() -> bool:
        return done.is_set() or any(
            key in greengrass.get_component(arn=version["arn"])["recipe"].decode()
            for component in greengrass.list_components()["components"]
            for version in greengrass.list_component_versions(arn=component["arn"])[
                "componentVersions"
            ]
        )

    eventually(is_known, seconds=1200, pause=0.02)
    bucket = "deeplens-dev-111111111111-eu-central-1"
    found: list[dict[str, Any]] = s3.list_objects_v2(Bucket=bucket)["Contents"]
    [name] = [one["Key"] for one in found if one["Key"].endswith(key)]
    # The bucket's policy denies this call, so the test removes the policy, as an administrator
    # could, and restores it.
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=name, Body=b"not what was published")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
