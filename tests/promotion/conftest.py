"""A release registry on an emulator: fleets with deployments, buckets with artifacts."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deeplens.config import EnvironmentConfig, find_environment, load_environments
from deeplens.releases.aws import AwsAccounts
from deeplens.releases.promotion import Registry
from testkit.account_keys import client
from testkit.pinned import pinned_artifact

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
WHO = "A Person <person@example.com>"
_STACK = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The path of `endpoint.json` of a separate emulator."""
    state = tmp_path_factory.mktemp("promotion") / "aws"
    command = [ROOT / ".venv-local-aws/bin/python", "-m", "local_aws", "--state", str(state)]
    subprocess.run([*command, "up"], cwd=ROOT, check=True, capture_output=True, timeout=300)
    yield state / "endpoint.json"
    subprocess.run([*command, "down"], cwd=ROOT, check=True, capture_output=True, timeout=300)


@dataclass
class World:
    """Environment files, artifacts and accounts that one test may change."""

    folder: Path
    endpoint: Path
    number: int

    @property
    def environments(self) -> Path:
        return self.folder / "environments"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def registry(self) -> Registry:
        return Registry(
            self.environments,
            self.models,
            AwsAccounts(self.endpoint),
            lambda: WHO,
            lambda: "2026-01-01T00:00:00Z",
        )

    def environment(self, name: str) -> EnvironmentConfig:
        return find_environment(load_environments(self.environments), name)

    def client(self, name: str, service: str) -> Any:
        return client(service, self.endpoint, self.environment(name).account, REGION)

    def build(self, version: str, name: str = "shapes", labels: str = "") -> str:
        """Package a small artifact of a version; return the artifact's digest."""
        with zipfile.ZipFile(pinned_artifact()) as archive:
            manifest = json.loads(archive.read("manifest.json"))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            if labels:
                manifest["files"][labels] = manifest["files"][manifest["labels"]]
            manifest |= {"name": name, "version": version}
            text = json.dumps({**manifest, "labels": labels or manifest["labels"]})
            archive.writestr(zipfile.ZipInfo("manifest.json"), text)
        digest = hashlib.sha256(packed.getvalue()).hexdigest()
        folder = self.models / name / digest
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.zip").write_bytes(packed.getvalue())
        return digest

    def pin(self, name: str, digest: str) -> None:
        """Change the pin in an environment file."""
        file = self.environments / f"{name}.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(self.environment(name).model.digest, digest), encoding="utf-8")

    def deploy(self, name: str, *, proven: bool = True, stopped: str = "") -> None:
        """Create the resources of a deploy: the artifact, the thing group and the deployment."""
        environment = self.environment(name)
        bucket, model = environment.model_store.bucket_name, environment.model
        s3 = self.client(name, "s3")
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(
                Bucket=bucket,
                CreateBucketConfiguration={"LocationConstraint": REGION},
            )
        (artifact,) = self.models.glob(f"*/{model.digest}/model.zip")
        key = f"components/{model.name}/{model.digest}/model.zip"
        s3.put_object(Bucket=bucket, Key=key, Body=artifact.read_bytes())
        group = self.client(name, "iot").create_thing_group(
            thingGroupName=environment.fleet.thing_group
        )
        tags = {
            "deeplens:model-digest": environment.model.digest,
            "deeplens:function": (
                f"arn:aws:lambda:{REGION}:{environment.account}:function:deeplens-x:1"
            ),
        }
        if proven:
            tags["deeplens:proven"] = (
                "2026-01-01T00:00:00Z 2 of 2 reachable devices run the release"
            )
        if stopped:
            tags["deeplens:stopped"] = stopped
        self.client(name, "greengrassv2").create_deployment(
            targetArn=group["thingGroupArn"], deploymentName=f"deeplens-{name}", tags=tags
        )

    def heartbeat(
        self, name: str, thing: str, *, digest: str = "", status: str = "running", **fields: Any
    ) -> None:
        """Add a thing to the fleet, and report a heartbeat as this thing."""
        environment = self.environment(name)
        iot = self.client(name, "iot")
        iot.create_thing(thingName=thing)
        iot.add_thing_to_thing_group(thingGroupName=environment.fleet.thing_group, thingName=thing)
        reported = {
            "status": status,
            "model": {"digest": digest or environment.model.digest},
            "function": f"arn:aws:lambda:{REGION}:{environment.account}:function:deeplens-x:1",
            "frames": 9,
            "heartbeat_at": "2026-01-01T00:00:00Z",
            "heartbeat_interval_seconds": 60,
            **fields,
        }
        self.client(name, "iot-data").update_thing_shadow(
            thingName=thing,
            shadowName="deeplens",
            payload=json.dumps({"state": {"reported": reported}}),
        )

    def stack(self, name: str) -> None:
        self.client(name, "cloudformation").create_stack(
            StackName=f"{name}-Inference", TemplateBody=json.dumps(_STACK)
        )


@pytest.fixture
def world(endpoint: Path, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    """Dev, staging and production with version 1.0.0; each test has separate accounts."""
    number = request.session.items.index(request.node) + 1
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    (tmp_path / "environments" / "promotions.jsonl").unlink(missing_ok=True)
    made = World(tmp_path, endpoint, number)
    first = made.build("1.0.0")
    for place, file in enumerate(sorted(made.environments.glob("*.toml"))):
        old = made.environment(file.stem)
        account = f"{place + 1}{number:011d}"
        text = file.read_text(encoding="utf-8").replace(old.model.digest, first)
        file.write_text(text.replace(old.account, account), encoding="utf-8")
    return made


def models(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `deeplens release …` with the emulator's endpoint.json; return the completed process."""
    local = world.folder / ".local" / "aws"
    local.mkdir(parents=True, exist_ok=True)
    (local / "endpoint.json").write_bytes(world.endpoint.read_bytes())
    return subprocess.run(
        [ROOT / ".venv/bin/deeplens", "release", *arguments],
        cwd=world.folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(world.folder),
            "GIT_AUTHOR_NAME": "A Person",
            "GIT_AUTHOR_EMAIL": "person@example.com",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def output_of(result: subprocess.CompletedProcess[str], code: int = 0) -> str:
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr
