"""Deletion of buckets with all their object versions, except those under Object Lock."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deeplens.fleet.session import FleetSession

# S3's limit of objects in one DeleteObjects request.
_MOST_AT_ONCE = 1000
# AWS KMS' default and maximum waiting period; the deletion can be cancelled during this time.
KEY_PENDING_DAYS = 30


@dataclass(frozen=True)
class Emptied:
    """The result of emptying a bucket.

    Attributes:
        deleted: number of deleted versions and delete markers.
        remaining: number of versions and delete markers that S3 did not delete.
        reason: S3's reason for the first remaining version; empty if none remains.
    """

    deleted: int
    remaining: int
    reason: str = ""


def empty_bucket(session: FleetSession, bucket: str) -> Emptied:
    """Delete the versions, delete markers and unfinished uploads of a bucket; return the result.

    The bucket's policy is deleted first, because it denies the deletion of objects below
    `components/`. Access logging is disabled. The permission to bypass retention is not used.
    """
    client: Any = session.boto_session.client("s3")
    client.delete_bucket_policy(Bucket=bucket)
    client.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            client.abort_multipart_upload(
                Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )
    deleted, failures = 0, []
    for batch in _batches(client, bucket):
        answer = client.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        errors = answer.get("Errors", [])
        failures += errors
        deleted += len(batch) - len(errors)
    reason = f"{failures[0].get('Code')}: {failures[0].get('Message')}" if failures else ""
    return Emptied(deleted, len(failures), reason)


def exists(session: FleetSession, bucket: str) -> bool:
    """Return whether a bucket exists; a stack may have deleted it."""
    client: Any = session.boto_session.client("s3")
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchBucket"}:
            return False
        raise
    return True


def delete_bucket(session: FleetSession, bucket: str) -> None:
    """Delete an empty bucket."""
    client: Any = session.boto_session.client("s3")
    client.delete_bucket(Bucket=bucket)


def schedule_key_deletion(session: FleetSession, key: str) -> None:
    """Schedule a KMS key for deletion; a key that is already scheduled does not change."""
    client: Any = session.boto_session.client("kms")
    try:
        client.schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_PENDING_DAYS)
    except ClientError as error:
        if error.response["Error"]["Code"] != "KMSInvalidStateException":
            raise


def _batches(client: Any, bucket: str) -> Iterator[list[dict[str, str]]]:
    batch: list[dict[str, str]] = []
    # Read all pages before the first deletion, because the markers of S3's pages refer to versions,
    # which would be deleted.
    pages = list(client.get_paginator("list_object_versions").paginate(Bucket=bucket))
    for page in pages:
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            batch.append({"Key": version["Key"], "VersionId": version["VersionId"]})
            if len(batch) == _MOST_AT_ONCE:
                yield batch
                batch = []
    if batch:
        yield batch
