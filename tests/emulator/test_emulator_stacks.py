"""CDK's command line asks every five seconds how a stack is: here it need not ask twice."""

import json
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

from tests.emulator.embedded_aws import ACCOUNT, REGION, EmbeddedAws, publish_function

_TAKES_SECONDS = """\
import json, time, urllib.request
def handle(event, context):
    time.sleep(float(event['ResourceProperties']['Seconds']))
    known = {key: event[key] for key in ('StackId', 'RequestId', 'LogicalResourceId')}
    answer = {'Status': 'SUCCESS', 'PhysicalResourceId': 'x', **known}
    urllib.request.urlopen(urllib.request.Request(
        event['ResponseURL'], json.dumps(answer).encode(), method='PUT'))
"""


def test_the_command_line_hears_of_the_end_with_its_first_question(aws: EmbeddedAws) -> None:
    stack = _created(aws, seconds=1)
    assert _status(aws.client("cloudformation"), stack) == "CREATE_IN_PROGRESS"
    assert _status(_command_line(aws), stack) == "CREATE_COMPLETE"


def test_what_takes_long_is_under_way_in_the_answer(aws: EmbeddedAws) -> None:
    stack = _created(aws, seconds=6)
    assert _status(_command_line(aws), stack) == "CREATE_IN_PROGRESS"


def _created(aws: EmbeddedAws, *, seconds: float) -> str:
    name = f"stack-{uuid4().hex[:12]}"
    slow = {
        "Type": "Custom::Slow",
        "Properties": {"ServiceToken": publish_function(aws, _TAKES_SECONDS), "Seconds": seconds},
    }
    aws.client("cloudformation").create_stack(
        StackName=name, TemplateBody=json.dumps({"Resources": {"Slow": slow}})
    )
    return name


def _status(cloudformation: Any, stack: str) -> str:
    return str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])


def _command_line(aws: EmbeddedAws) -> Any:
    """A client that names itself as CDK's command line does."""
    connect: Any = boto3.client  # its stub wants a literal name
    return connect(
        "cloudformation",
        endpoint_url=aws.endpoint["endpoint_url"],
        region_name=REGION,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="local",
        config=Config(user_agent_extra="aws-cdk/2"),
    )
