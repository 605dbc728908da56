"""Unpacking what someone else packed: tar.gz as SageMaker has it, and the zip of a .keras file.

The interpreter's own extraction filters are not relied on. Each refusal names its rule:

    archive-member  a regular file or a folder; no link, device, or second file of the same name
    archive-name    relative, printable, without `..`, within the destination
    archive-size    at most so many members and so many bytes, counted while they are read
    archive-format  not an archive, or cut short
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
from shared.artifact.zips import BROKEN_ZIP

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
    """Unpack a .tar.gz into `destination`, which must not exist; on refusal it does not.

    Raises:
        RefusedError: the first rule that a member breaks.
    """
    destination.mkdir(parents=True)
    try:
        # Weights hardly shrink: what grows by more is a bomb.
        honest = max(_LARGEST_RATIO * archive.stat().st_size, _SMALL_BYTES)
        with archive.open("rb") as packed:
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=packed))
            _unpack(stream, destination, min(most_bytes, honest))
    except (OSError, EOFError, zlib.error) as error:
        shutil.rmtree(destination)
        raise RefusedError("archive-format", f"{archive.name} is no tar.gz: {error}") from None
    except BaseException:
        shutil.rmtree(destination)
        raise


def check_zip(archive: Path, most_bytes: int = MOST_BYTES) -> None:
    """Refuse the zip of a .keras file if it is not one of plain, unlinked files.

    Raises:
        RefusedError: the first rule that a member breaks.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
    except BROKEN_ZIP as error:
        raise RefusedError("archive-format", f"{archive.name} is no zip: {error}") from None
    names = _Names()
    total = 0
    for member in members:
        names.add(member.filename)
        if member.filename not in _KERAS_MEMBERS:
            raise RefusedError(
                "archive-member", f"{member.filename[:60]!r} is not of a .keras file"
            )
        total += member.file_size
        if member.file_size > _LARGEST_RATIO * max(member.compress_size, 1 << 16):
            raise RefusedError("archive-size", f"{member.filename} is packed suspiciously well")
    if total > most_bytes:
        raise RefusedError("archive-size", f"{total} bytes; at most {most_bytes} are read")


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
    """Yield the headers; whoever takes one reads its content and padding from the stream."""
    long_name: str | None = None
    while True:
        block = stream.read(_BLOCK)
        if not block.strip(b"\0"):
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise RefusedError("archive-format", f"a header is broken: {error}") from None
        if header.size < 0:
            raise RefusedError("archive-format", "a member has a negative size")
        if header.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
            found = _extension(stream, header)
            long_name = found or long_name
            continue
        header.name, long_name = long_name or header.name, None
        if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
            kind = "a link" if header.islnk() or header.issym() else "no regular file"
            raise RefusedError("archive-member", f"{header.name[:60]!r} is {kind}")
        if header.type == tarfile.AREGTYPE and header.name.endswith("/"):
            header.type = tarfile.DIRTYPE
        if header.type == tarfile.DIRTYPE and header.size:
            raise RefusedError("archive-member", f"the folder {header.name[:60]!r} has content")
        yield header


def _extension(stream: BinaryIO, header: tarfile.TarInfo) -> str | None:
    """Read a pax or GNU extension; of all that it may say, only the next member's name is used."""
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
    """Names that were seen, compared as file systems of any kind might."""

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
            raise RefusedError("archive-name", f"{name[:80]!r} may not be unpacked")
        twin = unicodedata.normalize("NFKC", clean).casefold()
        if twin in self._seen:
            raise RefusedError("archive-member", f"{name[:80]!r} is there twice")
        self._seen.add(twin)
        if len(self._seen) > MOST_MEMBERS:
            raise RefusedError("archive-size", f"over {MOST_MEMBERS} members")
        return clean


def _copy(source: BinaryIO, target: IO[bytes], size: int) -> None:
    while size:
        chunk = source.read(min(size, _CHUNK))
        if not chunk:
            raise EOFError("it is cut short")
        target.write(chunk)
        size -= len(chunk)


def _skip(source: BinaryIO, size: int) -> None:
    if len(source.read(size)) < size:
        raise EOFError("it is cut short")
