"""The bytes of a model.tar.gz: the same for the same files."""

import gzip
import tarfile
from collections.abc import Mapping
from pathlib import Path


def pack(members: Mapping[str, Path], archive: Path) -> None:
    """Write files by their places; owners, times and order are always the same."""
    folders = {
        str(parent) for place in members for parent in Path(place).parents if str(parent) != "."
    }
    partial = archive.with_name(f"{archive.name}.partial")
    try:
        with (
            partial.open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for place in sorted(folders | members.keys()):
                header = tarfile.TarInfo(place)
                if place in folders:
                    header.type, header.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(header)
                    continue
                header.size = members[place].stat().st_size
                with members[place].open("rb") as content:
                    tar.addfile(header, content)
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)
