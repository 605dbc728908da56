"""Publication of file assets to the buckets of `cdk bootstrap`, as cdk-assets does."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deeplens.local.pipeline import PipelineError

_PUBLISH = re.compile(r'cdk-assets --path "([^"]+)" .*publish "([0-9a-f]+):([^"]+)"')


def publish(assembly: Path, command: str, client: Callable[[str, str], Any]) -> str:
    """Execute a `cdk-assets publish` command of the pipeline; return a description of the result.

    Args:
        assembly: the working directory of the command.
        command: the command in the build specification.
        client: returns the S3 client of a role in a Region.

    Raises:
        PipelineError: the command is not supported, or the asset cannot be published.
    """
    match = _PUBLISH.fullmatch(command)
    if not match:
        raise PipelineError(
            f"assets: {command!r} is not supported: expected `cdk-assets … publish …`"
        )
    manifest = json.loads((assembly / match[1]).read_text(encoding="utf-8"))
    asset = manifest["files"][match[2]]
    if (packaging := asset["source"]["packaging"]) != "file":
        raise PipelineError(f"assets: packaging {packaging!r} is not supported: expected 'file'")
    destination = asset["destinations"][match[3]]
    bucket, key = destination["bucketName"], destination["objectKey"]
    role = destination["assumeRoleArn"].replace("${AWS::Partition}", "aws")
    s3 = client(role, destination["region"])
    try:
        if _exists(s3, bucket, key):
            return f"{bucket}/{key[:12]}… exists"
        content = ((assembly / match[1]).parent / asset["source"]["path"]).read_bytes()
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    except ClientError as error:
        raise PipelineError(
            f"{bucket}: {error.response['Error']['Message']}; is the account bootstrapped?"
        ) from None
    return f"{bucket}/{key[:12]}… published, {len(content)} bytes"


def _exists(s3: Any, bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
            return False
        raise
    return True
