"""Properties of CloudFormation resources that ministack would accept and ignore."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import functools
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, s3, sns
from ministack.services.cloudformation import provisioners

from local_aws.services.cloudformation import bucket_properties

_ENCRYPTION = "x-amz-server-side-encryption"
_KEY = f"{_ENCRYPTION}-aws-kms-key-id"
_Result = tuple[str, dict[str, Any]]


def apply_dropped_properties() -> None:
    """Apply the properties of buckets, roles and topics that ministack ignores."""
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
    _use_default_key()
    _apply_after("AWS::IAM::Role", _set_boundary)
    _apply_after("AWS::SNS::Topic", _set_key)


def _use_default_key() -> None:
    """Use the AWS managed key `aws/s3` for S3 writes that request aws:kms without a key."""
    resolve = s3._resolve_sse_write_headers

    def resolve_with_key(headers: dict[str, str], bucket: str) -> Any:
        if headers.get(_ENCRYPTION) == "aws:kms" and not headers.get(_KEY):
            key = f"arn:aws:kms:{get_region()}:{get_account_id()}:alias/aws/s3"
            headers = {**headers, _KEY: key}
        return resolve(headers, bucket)

    s3._resolve_sse_write_headers = resolve_with_key


def _apply_after(type_: str, apply: Callable[[str, dict[str, Any]], None]) -> None:
    """Call `apply` with the physical id and properties after each creation or update of a type."""
    handlers = provisioners._RESOURCE_HANDLERS[type_]
    create, update = handlers["create"], handlers["update"]

    @functools.wraps(create)
    def create_and_apply(logical_id: str, props: dict[str, Any], stack: str) -> _Result:
        result: _Result = create(logical_id, props, stack)
        apply(result[0], props)
        return result

    @functools.wraps(update)
    def update_and_apply(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any, **named: Any
    ) -> _Result:
        result: _Result = update(physical_id, old, new, *more, **named)
        apply(result[0], new)
        return result

    handlers["create"], handlers["update"] = create_and_apply, update_and_apply


def _set_boundary(name: str, props: dict[str, Any]) -> None:
    iam._roles[name]["PermissionsBoundary"] = props.get("PermissionsBoundary")


def _set_key(arn: str, props: dict[str, Any]) -> None:
    sns._topics[arn]["attributes"]["KmsMasterKeyId"] = props.get("KmsMasterKeyId", "")


def _strict(put: Callable[[str, bytes], tuple[int, Any, bytes]]) -> Callable[[str, bytes], None]:
    """Return a function that raises ValueError if S3 rejects the request, so the resource fails."""

    def put_or_fail(name: str, body: bytes) -> None:
        status, _, response = put(name, body)
        if status >= 400:  # noqa: PLR2004 - HTTP error
            raise ValueError(f"bucket {name}: {response.decode(errors='replace')}")

    return put_or_fail


def _stop_logging(name: str) -> None:
    s3._put_bucket_logging(name, bucket_properties.logging({}))


def _keep_lock(_name: str) -> None:
    """Do nothing: Object Lock cannot be disabled, so the last retention remains."""
