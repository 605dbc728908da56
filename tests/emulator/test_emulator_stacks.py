"""The emulator delays the responses to the CDK CLI, which polls stacks every five seconds."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config

from tests.emulator.running_emulator import ACCOUNT, REGION, Emulator, publish_function

pytestmark = pytest.mark.emulator

_WAITS_FOR_A_FILE = """\
import json, os, time, urllib.request
def handle(event, context):
    while not os.path.exists(event['ResourceProperties']['File']):
        time.sleep(0.05)
    known = {key: event[key] for key in ('StackId', 'RequestId', 'LogicalResourceId')}
    answer = {'Status': 'SUCCESS', 'PhysicalResourceId': 'x', **known}
    urllib.request.urlopen(urllib.request.Request(
        event['ResponseURL'], json.dumps(answer).encode(), method='PUT'))
"""


def test_the_command_lines_questions_are_held_back_and_nobody_elses(
    aws: Emulator, tmp_path: Path
) -> None:
    stack = _created(aws, tmp_path / "go-on")
    with ThreadPoolExecutor(1) as pool:
        # The stack is still in progress, so the response arrives at the time limit.
        asked = pool.submit(_status, _command_line(aws), stack)
        others = 0
        while not asked.done():
            assert _status(aws.client("cloudformation"), stack) == "CREATE_IN_PROGRESS"
            others += 1
        assert others > 2
        assert asked.result() == "CREATE_IN_PROGRESS"
        (tmp_path / "go-on").touch()
        while _status(_command_line(aws), stack) != "CREATE_COMPLETE":
            pass


def _created(aws: Emulator, file: Path) -> str:
    name = f"stack-{uuid4().hex[:12]}"
    slow = {
        "Type": "Custom::Slow",
        "Properties": {"ServiceToken": publish_function(aws, _WAITS_FOR_A_FILE), "File": str(file)},
    }
    aws.client("cloudformation").create_stack(
        StackName=name, TemplateBody=json.dumps({"Resources": {"Slow": slow}})
    )
    return name


def _status(cloudformation: Any, stack: str) -> str:
    return str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])


def _command_line(aws: Emulator) -> Any:
    """Return a client with the user agent of the CDK CLI."""
    connect: Any = boto3.client  # boto3's stub requires a literal name
    return connect(
        "cloudformation",
        endpoint_url=aws.endpoint["endpoint_url"],
        region_name=REGION,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key=aws.secret(),
        config=Config(user_agent_extra="aws-cdk/2"),
    )
