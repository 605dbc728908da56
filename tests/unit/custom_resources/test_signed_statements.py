"""A release's signed statement is written to the bucket once, for any number of deploys."""

import hashlib
import io
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from cloudformation import ResourceFailed
from model_artifact import _put_once

CONTENT = b"statement"
PLACE = {"Bucket": "deeplens-models", "Key": "components/shapes/0/model.zip.sig"}


@pytest.fixture
def s3() -> Any:
    return boto3.client(
        "s3",
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def present(content: bytes) -> dict[str, Any]:
    body = StreamingBody(io.BytesIO(content), len(content))
    return {"Body": body, "ETag": hashlib.sha256(content).hexdigest()}


def put(s3: Any) -> None:
    _put_once(s3, PLACE["Bucket"], PLACE["Key"], CONTENT)


def test_an_absent_statement_is_written(s3: Any) -> None:
    with Stubber(s3) as stub:
        stub.add_client_error("get_object", "NoSuchKey", expected_params=PLACE)
        stub.add_response("put_object", {}, {**PLACE, "Body": CONTENT})
        put(s3)
        stub.assert_no_pending_responses()


def test_a_statement_that_is_there_gets_no_second_version(s3: Any) -> None:
    with Stubber(s3) as stub:
        stub.add_response("get_object", present(CONTENT), PLACE)
        put(s3)


def test_another_statement_under_its_key_stops_the_deploy(s3: Any) -> None:
    with Stubber(s3) as stub:
        stub.add_response("get_object", present(b"another"), PLACE)
        with pytest.raises(ResourceFailed, match="is written once"):
            put(s3)
