"""The account and the operator for the transcript of a lite device."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local_aws.transcripts import events
from local_aws.transcripts.events import Event
from tests.emulator.device_client import Device
from tests.emulator.running_emulator import ACCOUNT, REGION, Emulator, policy, recipe
from tests.emulator.transcripts.device_player import DevicePlayer

LITE = Path(__file__).parent / "data" / "lite-2.6.0.jsonl"
VERSION = "1.2.3"
KEY = "components/camera/model.zip"
ARTIFACT = b"an artifact"
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "credentials.iot.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


@pytest.fixture
def player(aws: Emulator, device: Device, bucket: str, unique: str, tmp_path: Path) -> DevicePlayer:
    """A device player, with the role alias, component and artifact of the transcript."""
    iam = aws.client("iam")
    role = iam.create_role(RoleName=unique, AssumeRolePolicyDocument=policy(TRUST))["Role"]["Arn"]
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    iam.put_role_policy(RoleName=unique, PolicyName="own", PolicyDocument=policy(reads))
    aws.client("iot").create_role_alias(roleAlias=unique, roleArn=role)
    aws.client("s3").put_object(Bucket=bucket, Key=KEY, Body=ARTIFACT)
    name = f"com.example.camera{uuid4().hex[:8]}"
    text = json.dumps(recipe(name, VERSION, Manifests=[manifest(bucket)]))
    aws.client("greengrassv2").create_component_version(inlineRecipe=text.encode())
    bindings = {
        "thing": device.thing, "account": ACCOUNT, "region": REGION, "group": device.thing,
        "alias": unique, "bucket": bucket, "key": KEY, "component": name, "architecture": "amd64",
    }  # fmt: skip
    return DevicePlayer(events.read(LITE), device, tmp_path, bindings)


def manifest(bucket: str) -> dict[str, Any]:
    return {
        "Platform": {"os": "linux", "runtime": "aws_nucleus_lite"},
        "Lifecycle": {"run": "sleep 60"},
        "Artifacts": [{"Uri": f"s3://{bucket}/{KEY}"}],
    }


def operate(event: Event, device: Device, greengrass: Any) -> str | None:
    """Create the deployment of an operator's event; return the id, or None for other events."""
    if event["do"] != "deploy":
        return None
    components = {
        name: {"componentVersion": version} for name, version in event["components"].items()
    }
    made = greengrass.create_deployment(targetArn=device.group_arn, components=components)
    return str(made["deploymentId"])
