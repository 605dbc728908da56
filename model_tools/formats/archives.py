"""Unpack untrusted tar.gz archives of SageMaker, and check the zip of untrusted .keras files.

This module does not use the extraction filters of Python. The rules:

    archive-member  each member is a regular file or a folder: no link, device or duplicate name;
                    a .keras file contains only files that Keras writes
    archive-name    names are relative, printable, and within the destination
    archive-size    the numbers of members and bytes are limited
    archive-format  the file is a complete archive
"""

import gzip
import io
import re
import shutil
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from model_tools.errors import RefusedError
from shared.artifact.archive import BROKEN_ZIP

MOST_MEMBERS = 10_000
MOST_BYTES = 4 << 30

_BLOCK = 512
_CHUNK = 1 << 20
_LONGEST_NAME = 512
_LARGEST_EXTENSION = 64 << 10
_FORBIDDEN = re.compile(r'[\\:*?"<>|]')
_KERAS_MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
_LARGEST_RATIO = 200
_SMALL_BYTES = 16 << 20


def unpack_tar(archive: Path, destination: Path, most_bytes: int = MOST_BYTES) -> None:
    """Unpack a .tar.gz into `destination`, which must not exist.

    `most_bytes` limits the unpacked size. After an error, `destination` is removed.

    Raises:
        RefusedError: the archive breaks a rule.
    """
    destination.mkdir(parents=True)
    try:
        # Weights hardly compress, so an archive that unpacks to more bytes is not a model.
        most_plausible = max(_LARGEST_RATIO * archive.stat().st_size, _SMALL_BYTES)
        with archive.open("rb") as packed:
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=packed))
            _unpack(stream, destination, min(most_bytes, most_plausible))
    except (OSError, EOFError, zlib.error) as error:
        shutil.rmtree(destination)
        raise RefusedError("archive-format", f"{archive.name} is not a tar.gz: {error}") from None
    except BaseException:
        shutil.rmtree(destination)
        raise


def check_zip(archive: Path, most_bytes: int = MOST_BYTES) -> None:
    """Check that the zip of a .keras file contains only files that Keras writes, of limited size.

    Raises:
        RefusedError: the archive breaks a rule.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
    except BROKEN_ZIP as error:
        raise RefusedError("archive-format", f"{archive.name} is not a zip file: {error}") from None
    names = _Names()
    total = 0
    for member in members:
        names.add(member.filename)
        if member.filename not in _KERAS_MEMBERS:
            raise RefusedError(
                "archive-member",
                f"{member.filename[:60]!r} is not a file that Keras writes: expected "
                f"{', '.join(sorted(_KERAS_MEMBERS))}",
            )
        total += member.file_size
        if member.file_size > _LARGEST_RATIO * max(member.compress_size, 1 << 16):
            raise RefusedError(
                "archive-size",
                f"{member.filename} is over {_LARGEST_RATIO} times larger than its compressed form",
            )
    if total > most_bytes:
        raise RefusedError(
            "archive-size", f"{archive.name} unpacks to {total} bytes; the limit is {most_bytes}"
        )


def _unpack(stream: BinaryIO, destination: Path, most_bytes: int) -> None:
    names = _Names()
    left = most_bytes
    for member in _members(stream):
        path = destination / names.add(member.name)
        left -= member.size
        if left < 0:
            raise RefusedError("archive-size", f"over {most_bytes} bytes")
        if member.type == tarfile.DIRTYPE:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            _copy(stream, file, member.size)
        _skip(stream, -member.size % _BLOCK)


def _members(stream: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Yield the headers; the caller reads each member's content and padding from the stream."""
    long_name: str | None = None
    while True:
        block = stream.read(_BLOCK)
        if not block.strip(b"\0"):
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise RefusedError("archive-format", f"a header is invalid: {error}") from None
        if header.size < 0:
            raise RefusedError("archive-format", "a member has a negative size")
        if header.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
            long_name = _extension(stream, header) or long_name
            continue
        header.name, long_name = long_name or header.name, None
        if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
            member_type = "a link" if header.islnk() or header.issym() else "a device or FIFO"
            raise RefusedError(
                "archive-member",
                f"{header.name[:60]!r} is {member_type}: expected a regular file or a folder",
            )
        if header.type == tarfile.AREGTYPE and header.name.endswith("/"):
            header.type = tarfile.DIRTYPE
        if header.type == tarfile.DIRTYPE and header.size:
            raise RefusedError("archive-member", f"the folder {header.name[:60]!r} has content")
        yield header


def _extension(stream: BinaryIO, header: tarfile.TarInfo) -> str | None:
    """Read a pax or GNU extension, and return the next member's name if the extension has one."""
    if header.size > _LARGEST_EXTENSION:
        raise RefusedError("archive-size", f"an extended header of {header.size} bytes")
    buffer = io.BytesIO()
    _copy(stream, buffer, header.size)
    _skip(stream, -header.size % _BLOCK)
    content = buffer.getvalue()
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return content.rstrip(b"\0").decode("utf-8", "replace")
    records = dict(re.findall(rb"\d+ ([^=\n]+)=([^\n]*)\n", content))
    for key in (b"size", b"linkpath", b"GNU.sparse.name"):
        if key in records:
            raise RefusedError("archive-member", f"an extended header sets {key.decode()}")
    name = records.get(b"path")
    return name.decode("utf-8", "replace") if name and header.type == tarfile.XHDTYPE else None


class _Names:
    """Valid names of members, compared without case, as on case-insensitive file systems."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def add(self, name: str) -> str:
        clean = name.removeprefix("./").rstrip("/")
        if clean in {"", "."}:
            return "."
        parts = clean.split("/")
        if (
            len(clean) > _LONGEST_NAME
            or name.startswith("/")
            or any(part in {"", ".", ".."} for part in parts)
            or any(unicodedata.category(character)[0] in "CZ" for character in clean)
            or _FORBIDDEN.search(clean)
        ):
            raise RefusedError(
                "archive-name",
                f"{name[:80]!r} is not a valid name: expected a relative, printable path",
            )
        folded = unicodedata.normalize("NFKC", clean).casefold()
        if folded in self._seen:
            raise RefusedError("archive-member", f"the archive contains {name[:80]!r} twice")
        self._seen.add(folded)
        if len(self._seen) > MOST_MEMBERS:
            raise RefusedError("archive-size", f"over {MOST_MEMBERS} members")
        return clean


def _copy(source: BinaryIO, target: IO[bytes], size: int) -> None:
    while size:
        chunk = source.read(min(size, _CHUNK))
        if not chunk:
            raise EOFError("it is truncated")
        target.write(chunk)
        size -= len(chunk)


def _skip(source: BinaryIO, size: int) -> None:
    if len(source.read(size)) < size:
        raise EOFError("it is truncated")
