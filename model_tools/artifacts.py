"""Opening artifacts that somebody else packaged."""

import zipfile
from pathlib import Path

from model_tools.errors import RefusedError, SourceError
from shared.artifact.archive import Artifact, open_artifact, sha256_of
from shared.artifact.manifest import MANIFEST_NAME, Manifest
from shared.artifact.zips import BROKEN_ZIP

_LARGEST_MANIFEST_BYTES = 1 << 20
_LARGEST_FILE_BYTES = 2 << 30
_LARGEST_RATIO = 200
_CHUNK = 1 << 20


def unpack_artifact(archive: Path, folder: Path, digest: str | None = None) -> Artifact:
    """Unpack a model.zip into `folder`, an empty one of the caller's, and check every byte.

    Args:
        archive: the artifact.
        folder: where its files go.
        digest: SHA-256 that it must have; None takes it as it is.

    Raises:
        SourceError: it is no artifact.
        RefusedError: it holds more, or other, than its manifest says.
        shared.artifact.errors.VisionError: a digest, the manifest or the label map is wrong.
    """
    found = sha256_of(archive)
    try:
        with zipfile.ZipFile(archive) as packed:
            members = {member.filename: member for member in packed.infolist()}
            if len(members) != len(packed.infolist()):
                raise RefusedError("archive-member", f"{archive.name} has a file twice")
            described = members.get(MANIFEST_NAME)
            if described is None:
                raise SourceError(f"{archive} is no artifact: it has no {MANIFEST_NAME}")
            if described.file_size > _LARGEST_MANIFEST_BYTES:
                raise RefusedError("archive-size", f"its manifest has {described.file_size} bytes")
            manifest = Manifest.from_json(packed.read(described))
            wanted = {MANIFEST_NAME, *manifest.files}
            if members.keys() != wanted:
                strange = ", ".join(sorted(name[:60] for name in members.keys() ^ wanted)[:5])
                raise RefusedError("archive-member", f"manifest and files differ: {strange}")
            for name in sorted(wanted):
                _extract(packed, members[name], folder / name)
    except BROKEN_ZIP as error:
        raise SourceError(f"{archive} is no artifact that can be unpacked: {error}") from None
    return open_artifact(archive, folder, digest or found)


def _extract(packed: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    suspicious = member.file_size > _LARGEST_RATIO * max(member.compress_size, 1 << 16)
    if member.file_size > _LARGEST_FILE_BYTES or suspicious:
        raise RefusedError("archive-size", f"{member.filename} claims {member.file_size} bytes")
    with packed.open(member) as content, target.open("xb") as file:
        while chunk := content.read(_CHUNK):
            file.write(chunk)
