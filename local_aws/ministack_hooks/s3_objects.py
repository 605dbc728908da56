"""Writes of S3 objects: disk errors, and the conditions and checksums of copies.

If the disk is full, ministack only logs the error. With these hooks, the request fails.
"""

# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import logging
import os
import tempfile
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ministack import app
from ministack.services import s3

from local_aws.ministack_hooks.registration import Handled

logger = logging.getLogger(__name__)

# Space for an object's metadata, its folders, and other files that the same request changes.
_RESERVE_BYTES = 64 * 1024
_COPY_RESULT_END = b"</CopyObjectResult>"
_failure: ContextVar[list[OSError]] = ContextVar("failure")


class Writes:
    """The result of all writes of S3 objects: `failed` is true after the first failure."""

    def __init__(self) -> None:
        self.failed = False


def reject_unsaved_objects(folder: Path) -> Writes:
    """Respond with 500 InternalError if an object cannot be written below `folder`.

    The free space is checked before the request makes a change. Later requests update the returned
    `Writes`.
    """
    writes = Writes()
    handle_request = app.SERVICE_HANDLERS["s3"]
    write = s3._atomic_write

    def recorded_write(path: str, data: bytes | str, *, text: bool = False) -> None:
        try:
            write(path, data, text=text)
        except OSError as error:
            writes.failed = True
            _failure.get([]).append(error)
            raise

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> Handled:
        failures: list[OSError] = []
        _failure.set(failures)
        if method in {"PUT", "POST"}:
            try:
                _reserve(folder, _RESERVE_BYTES + _size(headers, body, query))
            except OSError as error:
                return _rejection(method, path, error)
        handled: Handled = await handle_request(method, path, headers, body, query)
        return _rejection(method, path, failures[0]) if failures else handled

    s3._atomic_write = recorded_write
    app.SERVICE_HANDLERS["s3"] = handle
    return writes


def _size(headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]) -> int:
    """Return the bytes that a request adds: body, parts of its upload, and copied object."""
    upload = s3._multipart_uploads.get("".join(query.get("uploadId", [])), {})
    parts = 0 if "partNumber" in query else sum(p["size"] for p in upload.get("parts", {}).values())
    source = unquote(headers.get("x-amz-copy-source", "")).lstrip("/").partition("?")[0]
    bucket, _, key = source.partition("/")
    objects = (s3._ensure_bucket(bucket) or {}).get("objects", {}) if key else {}
    copied = objects.get(key, {}).get("size", 0)
    return len(body) + parts + int(copied)


def _reserve(folder: Path, size: int) -> None:
    """Check that a file of `size` bytes fits on the disk; raise OSError if not."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        os.posix_fallocate(probe.fileno(), 0, size)


def _rejection(method: str, path: str, error: OSError) -> Handled:
    message = f"The emulator cannot store {method} {path}: {error.strerror or error}."
    logger.error(message)
    rejection: Handled = s3._error("InternalError", message, 500, path)
    return rejection


def complete_copies() -> None:
    """Apply If-None-Match, If-Match and ``ChecksumAlgorithm`` to CopyObject.

    ministack reads the algorithm only from the header of PutObject, and ignores conditions of a
    copy.
    """
    copy = s3._copy_object

    def complete_copy(bucket: str, key: str, headers: Mapping[str, str]) -> Handled:
        rejection: Handled | None = s3._check_put_preconditions(headers, _object(bucket, key))
        if rejection is not None:
            return rejection
        algorithm = headers.get("x-amz-checksum-algorithm")
        if algorithm:
            headers = {**headers, "x-amz-sdk-checksum-algorithm": algorithm}
        status, response_headers, body = copy(bucket, key, headers)
        if status == 200:  # noqa: PLR2004 - HTTP success
            body = body.replace(
                _COPY_RESULT_END, _checksums(_object(bucket, key)) + _COPY_RESULT_END
            )
        return status, response_headers, body

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
