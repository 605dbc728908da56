"""Properties of CloudFormation that ministack accepts and drops, applied."""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

import functools
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, s3, sns
from ministack.services.cloudformation import provisioners

from local_aws.services.cloudformation import bucket_properties

_ENCRYPTION = "x-amz-server-side-encryption"
_KEY = f"{_ENCRYPTION}-aws-kms-key-id"
_Made = tuple[str, dict[str, Any]]


def apply_dropped_properties() -> None:
    """Apply what buckets, roles and topics of a template say, on create and on update."""
    provisioners._S3_BUCKET_CONFIGURATIONS += (
        ("BucketEncryption", bucket_properties.encryption, _strict(s3._put_bucket_encryption),
         s3._delete_bucket_encryption),
        ("LifecycleConfiguration", bucket_properties.lifecycle, _strict(s3._put_bucket_lifecycle),
         s3._delete_bucket_lifecycle),
        ("LoggingConfiguration", bucket_properties.logging, _strict(s3._put_bucket_logging),
         _stop_logging),
        ("OwnershipControls", bucket_properties.ownership,
         _strict(s3._put_bucket_ownership_controls), s3._delete_bucket_ownership_controls),
        ("ObjectLockConfiguration", bucket_properties.object_lock,
         _strict(s3._put_object_lock_configuration), _keep_lock),
        ("Tags", bucket_properties.tags, _strict(s3._put_bucket_tagging),
         s3._delete_bucket_tagging),
    )  # fmt: skip
    _have_a_key_of_s3()
    _after("AWS::IAM::Role", _bound)
    _after("AWS::SNS::Topic", _encrypt)


def _have_a_key_of_s3() -> None:
    """Encrypt with the account's `aws/s3` where a write says aws:kms and names no key."""
    resolve = s3._resolve_sse_write_headers

    def resolve_with_key(headers: dict[str, str], bucket: str) -> Any:
        if headers.get(_ENCRYPTION) == "aws:kms" and not headers.get(_KEY):
            key = f"arn:aws:kms:{get_region()}:{get_account_id()}:alias/aws/s3"
            headers = {**headers, _KEY: key}
        return resolve(headers, bucket)

    s3._resolve_sse_write_headers = resolve_with_key


def _after(type_: str, apply: Callable[[str, dict[str, Any]], None]) -> None:
    """Call `apply` with physical id and properties after each create and update of a type."""
    handlers = provisioners._RESOURCE_HANDLERS[type_]
    create, update = handlers["create"], handlers["update"]

    @functools.wraps(create)
    def create_and_apply(logical_id: str, props: dict[str, Any], stack: str) -> _Made:
        made: _Made = create(logical_id, props, stack)
        apply(made[0], props)
        return made

    @functools.wraps(update)
    def update_and_apply(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any, **named: Any
    ) -> _Made:
        made: _Made = update(physical_id, old, new, *more, **named)
        apply(made[0], new)
        return made

    handlers["create"], handlers["update"] = create_and_apply, update_and_apply


def _bound(name: str, props: dict[str, Any]) -> None:
    iam._roles[name]["PermissionsBoundary"] = props.get("PermissionsBoundary")


def _encrypt(arn: str, props: dict[str, Any]) -> None:
    sns._topics[arn]["attributes"]["KmsMasterKeyId"] = props.get("KmsMasterKeyId", "")


def _strict(put: Callable[[str, bytes], tuple[int, Any, bytes]]) -> Callable[[str, bytes], None]:
    """Fail the resource where S3 refuses the request."""

    def put_or_fail(name: str, body: bytes) -> None:
        status, _, answer = put(name, body)
        if status >= 400:  # noqa: PLR2004 - the first of HTTP's error statuses
            raise ValueError(f"bucket {name}: {answer.decode(errors='replace')}")

    return put_or_fail


def _stop_logging(name: str) -> None:
    s3._put_bucket_logging(name, bucket_properties.logging({}))


def _keep_lock(_name: str) -> None:
    """Object Lock cannot be turned off; the last retention stays."""
