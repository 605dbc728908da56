"""Authorization of S3 requests on the exact key of the object.

ministack drops empty parts of a path before it builds the ARN, so `a//b` and `/a/b` were authorized
as `a/b`, and a Deny on `a/*` spared `a/`. S3 compares keys as they are.
"""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

from typing import Any

from ministack.core import iam_actions

# A key without empty parts, and of no real object.
_ANY_KEY = "\ue000"


def authorize_exact_keys() -> None:
    """Build the ARN, and choose the action, by the key that ministack's S3 uses."""
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
    """Return bucket and key of a path, as ministack's S3 reads them."""
    bucket, _, key = path.lstrip("/").partition("/")
    return bucket, key


def _arn(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}"
