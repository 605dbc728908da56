"""Model artifacts: a zip named by its SHA-256, and the folder that it was unpacked to."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from shared.artifact.errors import ArtifactError, LabelMapError
from shared.artifact.labels import parse_label_map
from shared.artifact.manifest import MANIFEST_NAME, Manifest
from shared.artifact.zips import BROKEN_ZIP

_LARGEST_MANIFEST_BYTES = 1 << 20
_LARGEST_LABELS_BYTES = 16 << 20
_MOST_MEMBERS = 16


@dataclass(frozen=True)
class Artifact:
    """An artifact whose every byte was checked."""

    digest: str
    manifest: Manifest
    labels: dict[int, str]
    directory: Path

    @property
    def graph_file(self) -> Path:
        """The frozen graph."""
        return self.directory / self.manifest.graph


def open_artifact(archive: Path, directory: Path, expected_digest: str) -> Artifact:
    """Check that `archive` has the digest and that `directory` holds exactly what it packs.

    Raises:
        ArtifactError: names the file and both digests.
        ManifestError, LabelMapError: the content is not what this software reads.
    """
    digest = sha256_of(archive)
    if digest != expected_digest:
        raise ArtifactError(f"{archive}: SHA-256 is {digest}, expected {expected_digest}")
    packed = packed_manifest(archive)
    unpacked = directory / MANIFEST_NAME
    if not unpacked.is_file() or unpacked.read_bytes() != packed:
        raise ArtifactError(f"{unpacked}: is not the manifest of {archive}; unpack it again")
    manifest = Manifest.from_json(packed)
    for name, promised in manifest.files.items():
        found = sha256_of(directory / name)
        if found != promised:
            raise ArtifactError(
                f"{directory / name}: SHA-256 is {found}, its manifest promises {promised}"
            )
    return Artifact(digest, manifest, _labels(directory / manifest.labels), directory)


def open_unpacked(directory: Path) -> Artifact:
    """Open a folder that was unpacked and checked before; its digest is not known any more.

    Raises:
        ArtifactError: a file is missing.
        ManifestError, LabelMapError: the content is not what this software reads.
    """
    try:
        manifest = Manifest.from_json((directory / MANIFEST_NAME).read_bytes())
        labels = _labels(directory / manifest.labels)
    except OSError as error:
        raise ArtifactError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return Artifact("", manifest, labels, directory)


def sha256_of(file: Path) -> str:
    """SHA-256 of a file's bytes, lower-case hex; raise `ArtifactError` if it cannot be read."""
    # A FIFO would block for ever, and a device never ends.
    if file.exists() and not file.is_file():
        raise ArtifactError(f"{file}: is not a regular file")
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be read: {error.strerror}") from None


def _labels(file: Path) -> dict[int, str]:
    try:
        return parse_label_map(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise LabelMapError(f"{file}: is not UTF-8: {error.reason}") from None


def packed_manifest(archive: Path) -> bytes:
    """Return the bytes of an artifact's manifest; raise `ArtifactError` if there is none."""
    return _packed(archive, MANIFEST_NAME, _LARGEST_MANIFEST_BYTES)


def packed_labels(archive: Path, name: str) -> dict[int, str]:
    """Return the labels by id of an artifact whose manifest names its label map `name`.

    Raises:
        ArtifactError: there is no such file in it, or it is too large.
        LabelMapError: the file is not a label map.
    """
    content = _packed(archive, name, _LARGEST_LABELS_BYTES)
    try:
        return parse_label_map(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise LabelMapError(f"{archive}: {name} is not UTF-8: {error.reason}") from None


def _packed(archive: Path, name: str, largest_bytes: int) -> bytes:
    """Return one file of an artifact that is not trusted, if it is not above a size."""
    try:
        with zipfile.ZipFile(archive) as packed:
            if len(packed.infolist()) > _MOST_MEMBERS:
                raise ArtifactError(f"{archive}: more than {_MOST_MEMBERS} members")
            info = packed.getinfo(name)
            if info.file_size > largest_bytes:
                raise ArtifactError(f"{archive}: {name} is over {largest_bytes} B")
            return packed.read(info)
    except (*BROKEN_ZIP, KeyError) as error:
        raise ArtifactError(f"{archive}: not a model artifact: {error}") from None
