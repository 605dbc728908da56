"""A fleet of simulated cores, and CloudFormation's requests to the custom resource."""

import hashlib
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest

from testkit.simulated_fleet.cores import Clients, SimulatedFleet, SimulatedRelease
from testkit.simulated_fleet.fault_model import FaultDraw, FaultRates, draw
from testkit.waiting import eventually
from tests.emulator.running_emulator import ACCOUNT, REGION, ROOT, Emulator

RULE = {"success_percent": 100.0, "error_percent": 0.0, "minimum_devices": 0,
        "offline_after_seconds": 120.0, "minimum_frames_per_second": 0.0}  # fmt: skip


def function_arn(version: int) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:deeplens-x:{version}"


def digest(version: int) -> str:
    return f"{version:064x}"


@dataclass
class Site:
    """A fleet, its cores, and the fault rates of each release."""

    aws: Emulator
    group: str
    things: list[str]
    clients: Clients
    fault_rates: dict[int, FaultRates] = field(default_factory=dict)
    seed: int = 0

    @property
    def component(self) -> str:
        return f"{self.group}.inference"

    @property
    def group_arn(self) -> str:
        return f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/{self.group}"

    def version_of(self, document: dict[str, Any]) -> int:
        specification = document["components"].get(self.component, {"version": "0.0.0"})
        return int(specification["version"].partition(".")[0])

    def draw_of(self, thing: str, document: dict[str, Any]) -> FaultDraw:
        version = self.version_of(document)
        return draw(self.fault_rates.get(version, FaultRates()), self.seed, thing, str(version))

    def release_of(self, document: dict[str, Any]) -> SimulatedRelease | None:
        version = self.version_of(document)
        return SimulatedRelease(digest(version), function_arn(version)) if version else None

    @contextmanager
    def on(
        self,
        heartbeat_seconds: float = 2.0,
        is_lite: Callable[[str], bool] = lambda _: False,
    ) -> Iterator[SimulatedFleet]:
        fleet = SimulatedFleet(
            self.clients,
            self.things,
            release_of=self.release_of,
            draw_of=self.draw_of,
            heartbeat_seconds=heartbeat_seconds,
            is_lite=is_lite,
        )
        fleet.join()
        with fleet:
            yield fleet
        assert not fleet.errors

    def create_version(self, version: int) -> None:
        self.aws.client("greengrassv2").create_component_version(
            inlineRecipe=json.dumps(
                {
                    "RecipeFormatVersion": "2020-01-25",
                    "ComponentName": self.component,
                    "ComponentVersion": f"{version}.0.0",
                    "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": {"run": "true"}}],
                }
            ).encode()
        )

    def properties(self, version: int, **changes: Any) -> dict[str, Any]:
        """Return the custom resource's properties for a version of the release, with changes."""
        plan = {
            "rule": {**RULE, **changes.pop("rule", {})},
            "waves": changes.pop("waves", []),
            "wait_seconds": changes.pop("wait_seconds", 240),
            "bake_seconds": changes.pop("bake_seconds", 0),
        }
        return {
            "ProjectName": "test",
            "TargetArn": self.group_arn,
            "ThingGroupName": self.group,
            "DeploymentName": "deeplens-test",
            "Components": json.dumps({self.component: {"componentVersion": f"{version}.0.0"}}),
            "DeploymentPolicies": json.dumps({"failureHandlingPolicy": "ROLLBACK"}),
            "IotJobConfiguration": json.dumps(changes.pop("job", {})),
            "ModelDigest": digest(version),
            "FunctionArn": function_arn(version),
            "Rollout": json.dumps(plan),
            "OnDelete": "remove",
            **changes,
        }

    def runs(self) -> dict[str, str | None]:
        """Return the model digest that each thing reports; None without a heartbeat."""
        digests = {}
        for thing in self.things:
            try:
                answer = self.clients.iot_data.get_thing_shadow(
                    thingName=thing, shadowName="deeplens"
                )
            except self.clients.iot_data.exceptions.ResourceNotFoundException:
                digests[thing] = None
                continue
            reported = json.loads(answer["payload"].read())["state"]["reported"]
            digests[thing] = reported["model"]["digest"]
        return digests

    def deployments(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.aws.client("greengrassv2").list_deployments(
            targetArn=self.group_arn, historyFilter="ALL"
        )["deployments"]
        return listed


@pytest.fixture
def make_site(aws: Emulator, iot: Any, request: pytest.FixtureRequest) -> Callable[..., Site]:
    # The names of things are seeds of the faults, so a test has the same faults in each run.
    test = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]
    numbers = itertools.count(1)

    def make(size: int, **fault_rates: FaultRates) -> Site:
        group = f"deeplens-{test}-{next(numbers)}"
        iot.create_thing_group(thingGroupName=group)
        things = [f"{group}-{number:04d}" for number in range(size)]
        for thing in things:
            iot.create_thing(thingName=thing)
            iot.add_thing_to_thing_group(thingGroupName=group, thingName=thing)
        clients = Clients(iot, aws.client("iot-data"), aws.client("iot-jobs-data"))
        site = Site(aws, group, things, clients)
        site.fault_rates = {
            int(name.removeprefix("v")): rates for name, rates in fault_rates.items()
        }
        for version in (1, 2, 3):
            site.create_version(version)
        return site

    return make


@dataclass
class CloudFormation:
    """A client that sends CloudFormation's requests to the handler, and returns the responses."""

    handler: Callable[[dict[str, Any], Any], None]
    url: str
    answers: list[dict[str, Any]]
    stack: str = field(default_factory=lambda: f"arn:aws:cloudformation:::stack/{uuid4()}")
    seconds: float = 280.0

    def __call__(self, type_: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
        event = {
            "RequestType": type_,
            "ResponseURL": self.url,
            "StackId": self.stack,
            "RequestId": str(uuid4()),
            "LogicalResourceId": "Project",
            "ResourceProperties": properties,
            **more,
        }
        return self.send(event)

    def roll_back(
        self, properties: dict[str, Any], old: dict[str, Any], physical_id: str
    ) -> dict[str, Any]:
        """Request a rollback update from `old` to `properties`; return the response."""
        with patch("deeplens_project.is_rolling_back", return_value=True):
            return self(
                "Update", properties, OldResourceProperties=old, PhysicalResourceId=physical_id
            )

    def send(self, event: dict[str, Any]) -> dict[str, Any]:
        ends_at = time.monotonic() + self.seconds

        class Context:
            @staticmethod
            def get_remaining_time_in_millis() -> int:
                return int((ends_at - time.monotonic() + 30) * 1000)

        before = len(self.answers)
        self.handler(event, Context)
        assert len(self.answers) == before + 1
        return self.answers[-1]


@pytest.fixture
def cloudformation(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFormation]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.secret())
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    from deeplens_project import handler  # noqa: PLC0415 - the fixture sets the import path

    answers: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            length = int(self.headers["Content-Length"])
            answers.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Suppress the log."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield CloudFormation(handler, f"http://127.0.0.1:{server.server_port}/", answers)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def devices_stack(aws: Emulator) -> None:
    """The Devices stack of dev, which is not deleted, because certificates use its IoT policy."""
    create_devices_stack(aws)


def create_devices_stack(aws: Emulator) -> None:
    """Create the Devices stack of dev in an emulator."""
    template = json.loads((ROOT / "tests/synth/golden/dev-Devices.json").read_text())
    # CDK adds a rule that checks the bootstrap version, but the emulator has no bootstrap stack.
    del template["Parameters"], template["Rules"]
    text = re.sub(
        r'\{"Fn::ImportValue": "dev-ModelStore:[^"]*"\}',
        f'"arn:aws:kms:{REGION}:{ACCOUNT}:key/models"',
        json.dumps(template),
    )
    client = aws.client("cloudformation")
    client.create_stack(
        StackName="dev-Devices",
        TemplateBody=text,
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )

    def is_created() -> bool:
        [stack] = client.describe_stacks(StackName="dev-Devices")["Stacks"]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return True
        events = client.describe_stack_events(StackName="dev-Devices")["StackEvents"]
        assert stack["StackStatus"] == "CREATE_IN_PROGRESS", events
        return False

    eventually(is_created, "the Devices stack is not created", pause=0.2)
