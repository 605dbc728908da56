"""Reject S3 requests that cannot be stored; ministack only logs that its disk is full."""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

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

# An object's metadata, its folders, and what the same request changes elsewhere.
_RESERVE_BYTES = 64 * 1024
_failure: ContextVar[list[OSError]] = ContextVar("failure")


class Writes:
    """The result of the writes of S3 objects: `failed` is true after the first failure."""

    def __init__(self) -> None:
        self.failed = False


def refuse_unsaved_objects(folder: Path) -> Writes:
    """Answer 500 InternalError to a request whose object cannot be written below `folder`.

    The space is reserved before the request changes anything.
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
                return _refused(method, path, error)
        handled: Handled = await handle_request(method, path, headers, body, query)
        return _refused(method, path, failures[0]) if failures else handled

    s3._atomic_write = recorded_write
    app.SERVICE_HANDLERS["s3"] = handle
    return writes


def _size(headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]) -> int:
    """Return how many bytes a request adds: its own, those of its parts or of its source."""
    upload = s3._multipart_uploads.get("".join(query.get("uploadId", [])), {})
    parts = 0 if "partNumber" in query else sum(p["size"] for p in upload.get("parts", {}).values())
    source = unquote(headers.get("x-amz-copy-source", "")).lstrip("/").partition("?")[0]
    bucket, _, key = source.partition("/")
    objects = (s3._ensure_bucket(bucket) or {}).get("objects", {}) if key else {}
    copied = objects.get(key, {}).get("size", 0)
    return len(body) + parts + int(copied)


def _reserve(folder: Path, size: int) -> None:
    """Raise `OSError` if a file of this size does not fit."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        os.posix_fallocate(probe.fileno(), 0, size)


def _refused(method: str, path: str, error: OSError) -> Handled:
    message = f"The emulator cannot store {method} {path}: {error.strerror or error}."
    logger.error(message)
    refused: Handled = s3._error("InternalError", message, 500, path)
    return refused
