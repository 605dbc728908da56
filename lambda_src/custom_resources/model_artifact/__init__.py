"""`Custom::ModelArtifact`: the pinned artifact under its content-addressed key, written once.

A server-side copy transfers the CDK asset to the model bucket. The asset is hashed first, and the
copy requires that the asset still has the same ETag. If the release is signed, its statement is
verified before the copy, and the sizes in the statement limit the bytes that are read.
"""

import hashlib
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from cloudformation import ResourceFailed, ResourceRequest, ResourceResult, custom_resource
from model_artifact.signature_check import SignedRelease, verify

_CHUNK_BYTES = 1 << 20


def handle(request: ResourceRequest) -> ResourceResult:
    """Copy the artifact if it is absent; reject a source or an object with another SHA-256.

    A delete retains the object, because devices and other deployments may still require it.
    """
    properties = request.properties
    uri = f"s3://{properties['Bucket']}/{properties['Key']}"
    if request.type == "Delete":
        return ResourceResult(request.physical_id or uri)
    # Presigned URLs of objects with KMS encryption require this signature version.
    s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
    expected = properties["Sha256"]
    signed = verify(request)
    if signed is not None:
        return _publish_signed(s3, properties, signed, uri)
    present = _digest(s3, properties["Bucket"], properties["Key"])
    if present is None:
        _copy(s3, properties, expected)
    elif present[0] != expected:
        raise ResourceFailed(
            f"{uri} exists with SHA-256 {present[0]}, the release has {expected}: "
            "this key is written once; find out who wrote it before you deploy again"
        )
    return ResourceResult(uri, {"Uri": uri})


def _publish_signed(
    s3: Any, properties: dict[str, Any], signed: SignedRelease, uri: str
) -> ResourceResult:
    """Copy the artifact if it is absent, otherwise check the object; then store the statement.

    Each read is limited to the signed size. The statement is stored only if the properties contain
    `StatementKey`.
    """
    with signed.rejections():
        present = signed.digest_of(s3, properties["Bucket"], properties["Key"])
        if present is None:
            etag = signed.check(s3, properties["SourceBucket"], properties["SourceKey"])
            _bound_copy(s3, properties, etag)
        else:
            signed.check(s3, properties["Bucket"], properties["Key"])
    if "StatementKey" in properties:
        _put_once(s3, properties["Bucket"], properties["StatementKey"], signed.content)
    return ResourceResult(uri, {"Uri": uri})


def _put_once(s3: Any, bucket: str, key: str, content: bytes) -> None:
    """Write an object if it is absent; raise `ResourceFailed` if it exists with other content."""
    present = _digest(s3, bucket, key)
    if present is None:
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    elif present[0] != hashlib.sha256(content).hexdigest():
        raise ResourceFailed(
            f"s3://{bucket}/{key} exists with SHA-256 {present[0]}, the signed statement has "
            f"{hashlib.sha256(content).hexdigest()}: this key is written once; find out who wrote "
            "it before you deploy again"
        )


def _copy(s3: Any, properties: dict[str, Any], expected: str) -> None:
    source = _digest(s3, properties["SourceBucket"], properties["SourceKey"])
    asset = f"s3://{properties['SourceBucket']}/{properties['SourceKey']}"
    if source is None:
        raise ResourceFailed(f"{asset}: the asset was not uploaded; deploy with the CDK CLI")
    digest, etag = source
    if digest != expected:
        raise ResourceFailed(
            f"{asset} has SHA-256 {digest}, the release has {expected}: "
            "the asset was changed after it was packaged; nothing was copied"
        )
    _bound_copy(s3, properties, etag)


def _bound_copy(s3: Any, properties: dict[str, Any], etag: str) -> None:
    s3.copy_object(
        Bucket=properties["Bucket"],
        Key=properties["Key"],
        CopySource={"Bucket": properties["SourceBucket"], "Key": properties["SourceKey"]},
        CopySourceIfMatch=etag,
    )


def _digest(s3: Any, bucket: str, key: str) -> tuple[str, str] | None:
    """Return the SHA-256 (hex) and the ETag of an object, or None if it is absent."""
    try:
        response = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            return None
        raise
    digest = hashlib.sha256()
    for chunk in response["Body"].iter_chunks(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest(), response["ETag"]


handler = custom_resource(handle)
