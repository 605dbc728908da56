"""ARNs equal those of botocore and CDK for the same account and Region."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.session
import pytest

from deeplens.config import GREENGRASS_REGIONS, AwsEnvironment

if TYPE_CHECKING:
    from aws_cdk import App

pytestmark = pytest.mark.process

ACCOUNT = "111111111111"
FLAGS = json.loads((Path(__file__).parents[3] / "cdk.json").read_text(encoding="utf-8"))["context"]


@pytest.fixture(scope="module")
def app() -> "App":
    from aws_cdk import App  # noqa: PLC0415 - the import starts Node

    return App(context=FLAGS)


def test_the_partition_is_the_one_that_botocore_knows() -> None:
    session = botocore.session.get_session()
    for region in GREENGRASS_REGIONS:
        assert AwsEnvironment(ACCOUNT, region).partition == session.get_partition_for_region(region)


@pytest.mark.parametrize("region", GREENGRASS_REGIONS)
def test_an_arn_is_the_one_that_cdk_would_write(app: "App", region: str) -> None:
    from aws_cdk import Environment, Stack  # noqa: PLC0415 - the import starts Node

    aws_environment = AwsEnvironment(ACCOUNT, region)
    stack = Stack(app, region, env=Environment(account=ACCOUNT, region=region))
    thing = stack.format_arn(service="iot", resource="thing", resource_name="camera-1")
    assert aws_environment.arn("iot", "thing/camera-1") == thing
    bucket = stack.format_arn(service="s3", resource="deeplens-dev", account="", region="")
    assert aws_environment.s3_arn("deeplens-dev") == bucket
    assert aws_environment.s3_arn("deeplens-dev", "components/*") == f"{bucket}/components/*"
