"""Authorization of S3 requests for an object's exact key, and for the KMS key that encrypts it.

ministack removes empty parts of a path before it builds the ARN. It authorizes `a//b` and `/a/b` as
`a/b`, and does not apply a Deny on `a/*` to `a/`. S3 does not normalize keys. ministack does not
check the permissions of KMS keys.

Source: Amazon S3 User Guide, "Using server-side encryption with AWS KMS keys". An upload requires
kms:GenerateDataKey, and a download kms:Decrypt. S3 calls KMS for the caller (kms:ViaService). Every
principal of the account can use the AWS managed key (aws/s3) through S3.
"""

# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

from collections.abc import Iterator
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import s3

from local_aws.account_region import Scope
from local_aws.ministack_hooks.registration import within

# A placeholder for the key of an object. It has no empty parts, and no object has this key.
_ANY_KEY = "\ue000"
_KEY = "x-amz-server-side-encryption-aws-kms-key-id"
_MANAGED_BY_AWS = "alias/aws/s3"
_WRITES = frozenset({"PutObject"})
_READS = frozenset({"s3:GetObject", "s3:GetObjectVersion"})


def authorize_exact_keys() -> None:
    """Derive the ARN and the action from the same key that ministack's S3 uses."""
    extract, choose = iam_actions.extract_resource_arn, iam_actions._s3_action
    additional = iam_actions.s3_additional_checks

    def extract_resource_arn(service: str, method: str, path: str, *more: Any) -> str:
        bucket, key = _split(path)
        if service == "s3" and key:
            return _arn(bucket, key)
        found: str = extract(service, method, path, *more)
        return found

    def action(method: str, path: str, query: Any) -> str | None:
        bucket, key = _split(path)
        found: str | None = choose(method, f"/{bucket}/{_ANY_KEY}" if key else path, query)
        return found

    def additional_checks(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> list[tuple[str, str]]:
        bucket, key = _split(path)
        if not key:
            return list(additional(method, path, headers, body, query))
        placed = f"/{bucket}/{_ANY_KEY}"
        checks = additional(method, placed, headers, body, query)
        own = _arn(bucket, _ANY_KEY)
        return [(name, _arn(bucket, key) if arn == own else arn) for name, arn in checks]

    iam_actions.extract_resource_arn = extract_resource_arn
    iam_actions._s3_action = action
    iam_actions.s3_additional_checks = additional_checks


def _split(path: str) -> tuple[str, str]:
    """Return the bucket and key that ministack's S3 reads from a path."""
    bucket, _, key = path.lstrip("/").partition("/")
    return bucket, key


def _arn(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}"


def require_permissions_of_keys() -> None:
    """Check the permissions on the KMS key of each object that a request reads or writes."""
    additional, enforce = iam_actions.s3_additional_checks, iam_evaluator.enforce

    def with_checks_of_keys(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> list[tuple[str, str]]:
        checks = list(additional(method, path, headers, body, query))
        _, bucket, key = [*path.split("/", 2), "", ""][:3]
        action = iam_actions._s3_action(method, path, query)
        read = [resource for name, resource in checks if name in _READS]
        if method == "GET" and f"s3:{action}" in _READS:
            read.append(f"arn:aws:s3:::{bucket}/{key}")
        decrypted = [("kms:Decrypt", arn) for name in read for arn in _key_of_object(name)]
        written = key and action in _WRITES
        encrypted = [("kms:GenerateDataKey", arn) for arn in _key_of_write(bucket, headers)]
        return [*checks, *decrypted, *(encrypted if written else [])]

    def enforce_on_keys(
        access_key: str, action: str, service: str, *more: Any, **named: Any
    ) -> Any:
        if service == "s3" and action.startswith("kms:"):
            service = "kms"
            named["service_context"] = {
                **(named.get("service_context") or {}),
                "kms:ViaService": f"s3.{get_region()}.amazonaws.com",
                "kms:CallerAccount": get_account_id(),
            }
        return enforce(access_key, action, service, *more, **named)

    iam_actions.s3_additional_checks = with_checks_of_keys
    iam_evaluator.enforce = enforce_on_keys


def _key_of_object(object_arn: str) -> Iterator[str]:
    """Yield the ARN of the customer managed KMS key that encrypts an existing object, if any."""
    bucket, _, key = object_arn.removeprefix("arn:aws:s3:::").partition("/")
    owner = _owner(bucket)
    if owner is None:
        return
    with within(owner):
        record = s3._buckets[bucket]["objects"].get(key)
        headers = {} if record is None else s3._stored_sse_headers(record)
    yield from _key_arn(headers.get(_KEY, ""), owner)


def _key_of_write(bucket: str, headers: dict[str, str]) -> Iterator[str]:
    """Yield the ARN of a write's customer managed KMS key, if any.

    The key is the key in the request, or the bucket's default key.
    """
    owner = _owner(bucket)
    if owner is None:
        return
    with within(owner):
        default = s3._bucket_default_sse_headers(bucket).get(_KEY, "")
    named = headers.get(_KEY) or ("" if "x-amz-server-side-encryption" in headers else default)
    yield from _key_arn(named, owner)


def _owner(bucket: str) -> Scope | None:
    account, region = s3._bucket_owner_account(bucket), s3.bucket_region(bucket)
    return Scope(account, region or get_region()) if account else None


def _key_arn(key: str, owner: Scope) -> Iterator[str]:
    if key and not key.endswith(_MANAGED_BY_AWS):
        is_arn = key.startswith("arn:")
        yield key if is_arn else f"arn:aws:kms:{owner.region}:{owner.account}:key/{key}"
