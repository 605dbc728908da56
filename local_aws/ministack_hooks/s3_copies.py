"""CopyObject as S3 does it: conditional, and with the checksum it was asked for."""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

from collections.abc import Mapping
from typing import Any

from ministack.services import s3

Answer = tuple[int, dict[str, str], bytes]
_END = b"</CopyObjectResult>"


def complete_copies() -> None:
    """Make CopyObject obey If-None-Match and If-Match, and ``ChecksumAlgorithm``.

    ministack reads the algorithm from PutObject's header only, and no conditions on a copy.
    """
    copy = s3._copy_object

    def complete_copy(bucket: str, key: str, headers: Mapping[str, str]) -> Answer:
        refused: Answer | None = s3._check_put_preconditions(headers, _object(bucket, key))
        if refused is not None:
            return refused
        algorithm = headers.get("x-amz-checksum-algorithm")
        if algorithm:
            headers = {**headers, "x-amz-sdk-checksum-algorithm": algorithm}
        status, answered, body = copy(bucket, key, headers)
        if status == 200:  # noqa: PLR2004 - HTTP's OK
            body = body.replace(_END, _checksums(_object(bucket, key)) + _END)
        return status, answered, body

    s3._copy_object = complete_copy


def _object(bucket: str, key: str) -> dict[str, Any] | None:
    record: dict[str, Any] | None = (s3._ensure_bucket(bucket) or {"objects": {}})["objects"].get(
        key
    )
    return record


def _checksums(record: dict[str, Any] | None) -> bytes:
    checksums: dict[str, str] = (record or {}).get("checksums", {})
    return "".join(
        f"<Checksum{name}>{value}</Checksum{name}>" for name, value in checksums.items()
    ).encode()
