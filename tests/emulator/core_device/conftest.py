"""A core device in the test's process, with its own group in the emulator."""

import asyncio
import hashlib
import io
import json
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from local_aws.core_device.device import CoreDevice
from local_aws.core_device.layout import Identity, Layout
from local_aws.core_device.nucleus import Kind, Pauses
from local_aws.core_device.provisioning import provision
from local_aws.process.endpoint import Endpoint
from testkit.waiting import HANG_SECONDS, eventually
from tests.emulator.running_emulator import ACCOUNT, REGION, Emulator, policy, recipe

ANYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["iot:*", "greengrass:*"], "Resource": "*"}],
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "credentials.iot.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
# Short pauses for tests. If a component never starts, the limit for its unit ends the test.
QUICK = Pauses(restart_seconds=0.01, settle_seconds=0.0, unit_seconds=5.0)
ENDED = {"SUCCEEDED", "COMPLETED", "FAILED", "REJECTED", "TIMED_OUT", "CANCELED"}


@dataclass
class Core:
    """A provisioned core device that a test starts and stops."""

    aws: Emulator
    thing: str
    group_arn: str
    layout: Layout
    pauses: Pauses = QUICK
    _loop: asyncio.AbstractEventLoop | None = None
    _stop: asyncio.Event | None = None
    _thread: threading.Thread | None = None
    failures: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        up = threading.Event()

        async def work() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            endpoint = Endpoint(**self.aws.endpoint)
            device = CoreDevice(
                endpoint, self.layout, Path(sys.executable), None, pauses=self.pauses
            )
            up.set()
            await device.run(self._stop)

        def run() -> None:
            try:
                asyncio.run(work())
            except BaseException as error:  # noqa: BLE001 - the waiting test raises the error
                self.failures.append(error)
                up.set()

        self._thread = threading.Thread(target=run, name=self.thing)
        self._thread.start()
        assert up.wait(HANG_SECONDS)

    def stop(self) -> None:
        if self._thread and self._loop and self._stop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(HANG_SECONDS)
            assert not self._thread.is_alive()
        assert not self.failures

    def configure(self, **changes: Any) -> None:
        """Change the configuration file of a stopped device."""
        self.layout.write_identity(replace(self.layout.read_identity(), **changes))

    def deploy(self, components: dict[str, Any], **more: Any) -> str:
        """Deploy to the device's group or to `more["target"]`; return the deployment id."""
        target = more.pop("target", self.group_arn)
        made = self.aws.client("greengrassv2").create_deployment(
            targetArn=target, components=components, **more
        )
        return str(made["deploymentId"])

    def outcome(self, deployment_id: str) -> dict[str, Any]:
        """Wait until a deployment ends on this device; return its effective deployment."""
        client = self.aws.client("greengrassv2")
        listed: list[dict[str, Any]] = []

        def ended() -> list[dict[str, Any]]:
            assert not self.failures
            with suppress(client.exceptions.ResourceNotFoundException):
                listed[:] = client.list_effective_deployments(coreDeviceThingName=self.thing)[
                    "effectiveDeployments"
                ]
            return [
                deployment
                for deployment in listed
                if deployment["deploymentId"] == deployment_id
                and deployment["coreDeviceExecutionStatus"] in ENDED
            ]

        return eventually(ended, listed)[0]

    def installed(self) -> dict[str, str]:
        """Return the reported lifecycle states of the components by name."""
        client = self.aws.client("greengrassv2")
        listed = client.list_installed_components(
            coreDeviceThingName=self.thing, topologyFilter="ALL"
        )["installedComponents"]
        return {item["componentName"]: item["lifecycleState"] for item in listed}

    def work(self, component: str) -> Path:
        """Return the path of a component's working directory."""
        return self.layout.work(component)

    def printed(self, component: str) -> str:
        """Return the output of a component."""
        log = self.layout.log(component)
        return log.read_text() if log.is_file() else ""


@pytest.fixture
def core_runtime() -> Kind:
    """The device's core software: classic, unless a test module overrides this fixture."""
    return "classic"


@pytest.fixture
def core(
    aws: Emulator, iot: Any, unique: str, tmp_path: Path, core_runtime: Kind
) -> Iterator[Core]:
    group = iot.create_thing_group(thingGroupName=unique)["thingGroupArn"]
    iot.create_policy(policyName=unique, policyDocument=json.dumps(ANYTHING))
    role = aws.client("iam").create_role(
        RoleName=unique, AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    aws.client("iam").put_role_policy(
        RoleName=unique, PolicyName="own", PolicyDocument=policy(reads)
    )
    iot.create_role_alias(roleAlias=unique, roleArn=role)
    layout = Layout.of(unique, tmp_path / "cores")
    identity = Identity(unique, unique, ACCOUNT, REGION, unique, "", core_runtime)
    provision(iot, layout, identity, unique)
    made = Core(aws, unique, group, layout)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def component(greengrass: Any, unique: str) -> Callable[..., str]:
    """A function that creates a version of a generic component and returns the component's name."""

    def create(
        suffix: str, version: str = "1.0.0", *, artifacts: list[Any] | None = None, **steps: Any
    ) -> str:
        more = {name: steps.pop(name) for name in list(steps) if name[0].isupper()}
        platform = more.pop("Platform", {"os": "linux", "runtime": "*"})
        manifest = {"Platform": platform, "Lifecycle": steps or {"install": "true"}}
        if artifacts:
            manifest["Artifacts"] = artifacts
        text = recipe(f"{unique}.{suffix}", version, Manifests=[manifest], **more)
        greengrass.create_component_version(inlineRecipe=json.dumps(text).encode())
        return f"{unique}.{suffix}"

    return create


@dataclass(frozen=True)
class Artifact:
    """A zip archive in a bucket, and its SHA-256."""

    uri: str
    key: str
    sha256: str


@pytest.fixture
def artifact(aws: Emulator, bucket: str) -> Callable[..., Artifact]:
    def put(content: str, key: str = "x/model.zip") -> Artifact:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("content.txt", content)
        data = packed.getvalue()
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=data)
        return Artifact(f"s3://{bucket}/{key}", key, hashlib.sha256(data).hexdigest())

    return put


def specification(version: str = "1.0.0", **merge: Any) -> dict[str, Any]:
    specification: dict[str, Any] = {"componentVersion": version}
    if merge:
        specification["configurationUpdate"] = {"merge": json.dumps(merge)}
    return specification


def crashes_with(core: Core, file: str) -> str:
    """Return a script that runs until a file exists, and then crashes at each start."""
    return f"while ! test -e {core.layout.root}/{file}; do sleep 0.05; done; echo crash; exit 7"
