"""One emulator for the session, on free ports, with its state in a temporary folder."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from awsiot import mqtt_connection_builder
from botocore.exceptions import EndpointConnectionError

from tests.emulator.device_client import ANYTHING, Device
from tests.emulator.running_emulator import REGION, Command, Emulator, publish_function, recipe


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """The command line with a new state folder; the fixture stops its emulator."""
    made = Command(tmp_path / ".local" / "aws")
    yield made
    made("down")


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    command = Command(tmp_path_factory.mktemp("emulator") / ".local" / "aws")
    started = command("up")
    assert started.returncode == 0, started.stdout + started.stderr
    yield Emulator(command, command.endpoint())
    command("down")


@pytest.fixture
def greengrass(aws: Emulator) -> Any:
    return aws.client("greengrassv2")


@pytest.fixture
def iot(aws: Emulator) -> Any:
    return aws.client("iot")


@pytest.fixture
def bucket(aws: Emulator) -> str:
    name = f"deeplens-{uuid4().hex[:12]}"
    aws.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return name


@pytest.fixture
def function_arn(aws: Emulator) -> str:
    """The ARN of a published function version that returns its account and Region."""
    return publish_function(
        aws,
        "import os, boto3\n"
        "def handle(event, context):\n"
        "    identity = boto3.client('sts').get_caller_identity()\n"
        "    return {'account': identity['Account'], 'region': os.environ['AWS_REGION']}\n",
    )


@pytest.fixture
def create_component(greengrass: Any) -> Callable[..., str]:
    """A function that creates a component version without artifacts and returns the ARN."""

    def create(name: str, version: str = "1.0.0", **extra: Any) -> str:
        arn: str = greengrass.create_component_version(
            inlineRecipe=json.dumps(recipe(name, version, **extra)).encode()
        )["arn"]
        return arn

    return create


@pytest.fixture
def unique() -> str:
    return uuid4().hex[:12]


@pytest.fixture
def device(aws: Emulator, iot: Any, unique: str, tmp_path: Path) -> Iterator[Device]:
    iot.create_thing(thingName=unique)
    group = iot.create_thing_group(thingGroupName=unique)["thingGroupArn"]
    iot.add_thing_to_thing_group(thingGroupName=unique, thingName=unique)
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.create_policy(policyName=unique, policyDocument=json.dumps(ANYTHING))
    iot.attach_policy(policyName=unique, target=made["certificateArn"])
    iot.attach_thing_principal(thingName=unique, principal=made["certificateArn"])
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    files[0].write_text(made["certificatePem"])
    files[1].write_text(made["keyPair"]["PrivateKey"])
    tls = ssl.create_default_context(cafile=aws.endpoint["ca_file"])
    tls.load_cert_chain(*files)
    yield Device(aws, unique, group, made["certificateArn"], tls)
    # A test may have stopped the emulator.
    with suppress(EndpointConnectionError):
        iot.update_certificate(certificateId=made["certificateId"], newStatus="INACTIVE")


@pytest.fixture
def mqtt_settings(device: Device, tmp_path: Path) -> dict[str, Any]:
    """The arguments of `mtls_from_path` for the device's connection."""
    return {
        "cert_filepath": str(tmp_path / "certificate.pem"),
        "pri_key_filepath": str(tmp_path / "key.pem"),
        "ca_filepath": device.aws.endpoint["ca_file"],
        "endpoint": device.aws.endpoint["mqtt_host"],
        "port": device.aws.endpoint["mqtt_port"],
        "client_id": device.thing,
    }


@pytest.fixture
def mqtt(mqtt_settings: dict[str, Any]) -> Any:
    """The device's MQTT connection, which tests open."""
    return mqtt_connection_builder.mtls_from_path(**mqtt_settings)
