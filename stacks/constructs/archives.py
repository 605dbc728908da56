"""Reproducible archives of sources.

Entries are sorted and contain no times. The output of zlib depends on its version: a zip is not
compressed, so its bytes are the same on any machine; a tar.gz is compressed.
"""

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from stacks.constructs.file_assets import StagedFile
from stacks.constructs.temporary_files import temporary_file

ROOT = Path(__file__).resolve().parents[2]
LAMBDA_SOURCES = ROOT / "lambda_src"

# File contents by name in the archive.
Members = Mapping[str, bytes]

_FIRST_TIME_OF_A_ZIP = (1980, 1, 1, 0, 0, 0)
# The mode of all members of a zip. Lambda runs the code as another user, so all users require
# access.
_MODE = 0o755


def sources(folder: Path, *parts: str) -> dict[str, bytes]:
    """Return the content of the files below `folder` by relative path, without Python's caches.

    Args:
        folder: the root of imports.
        parts: files and folders below `folder`; by default, all of them.
    """
    roots = [folder / part for part in parts] or [folder]
    files = [file for root in roots for file in ([root] if root.is_file() else root.rglob("*"))]
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    }


def shared(*packages: str) -> dict[str, bytes]:
    """Return the files of packages of lambda_src/shared by their paths in a function's archive."""
    return sources(LAMBDA_SOURCES, *(f"shared/{package}" for package in packages))


def zip_archive(name: str, members: Members) -> StagedFile:
    """Write an uncompressed zip to a temporary file named `name`; return it with its SHA-256."""
    file = temporary_file(name)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for member, content in sorted(members.items()):
            info = zipfile.ZipInfo(member, _FIRST_TIME_OF_A_ZIP)
            info.external_attr = _MODE << 16
            archive.writestr(info, content)
    return StagedFile(file, hashlib.sha256(file.read_bytes()).hexdigest())


def tar_archive(name: str, members: Members) -> StagedFile:
    """Write a tar.gz to a temporary file named `name`; return it with its SHA-256."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for member, content in sorted(members.items()):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    file = temporary_file(name)
    file.write_bytes(packed.getvalue())
    return StagedFile(file, hashlib.sha256(packed.getvalue()).hexdigest(), ".tar.gz")
