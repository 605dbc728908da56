"""Archives whose bytes do not depend on times, owners or the order of directory entries."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

# The earliest time in the zip format.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE_FILE = 0o100644 << 16
_UNIX = 3


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """Return a zip file of `members`, sorted by name.

    Members are not compressed: weights hardly compress, and deflate's output depends on the build
    of its library.
    """
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, _NO_TIME)
            info.external_attr = _READABLE_FILE
            info.create_system = _UNIX
            archive.writestr(info, content)
    return output.getvalue()


def write_tar_gz(
    members: Mapping[str, Path | bytes], archive: Path, *, compression_level: int = 9
) -> None:
    """Write a .tar.gz of members by path, with their folders.

    The archive is written atomically. Gzip's bytes depend on the build of zlib, so archives may
    differ between machines.
    """
    folders = {
        str(parent) for path in members for parent in Path(path).parents if str(parent) != "."
    }
    partial = archive.with_name(f"{archive.name}.partial")
    try:
        with (
            partial.open("wb") as file,
            gzip.GzipFile(
                "", "wb", fileobj=file, mtime=0, compresslevel=compression_level
            ) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in sorted(folders | members.keys()):
                header = tarfile.TarInfo(path)
                if path in folders:
                    header.type, header.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(header)
                else:
                    _add_file(tar, header, members[path])
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)


def _add_file(tar: tarfile.TarFile, header: tarfile.TarInfo, content: Path | bytes) -> None:
    if isinstance(content, bytes):
        header.size = len(content)
        tar.addfile(header, io.BytesIO(content))
        return
    header.size = content.stat().st_size
    with content.open("rb") as file:
        tar.addfile(header, file)
