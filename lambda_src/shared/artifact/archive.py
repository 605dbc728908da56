"""Read a model artifact: a zip named by its SHA-256, and the folder with its unpacked files."""

import hashlib
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from shared.artifact.errors import ArtifactError, LabelMapError
from shared.artifact.labels import parse_label_map
from shared.artifact.manifest import MANIFEST_NAME, Manifest

# `zipfile` raises these errors if a file is not a zip, is truncated or encrypted, or uses an
# unsupported compression (RuntimeError and its subclasses).
BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
_LARGEST_MANIFEST_BYTES = 1 << 20
_LARGEST_LABELS_BYTES = 16 << 20
_MOST_MEMBERS = 16


@dataclass(frozen=True)
class Artifact:
    """A model artifact with its manifest, its labels, and the folder of its files."""

    digest: str
    manifest: Manifest
    labels: dict[int, str]
    directory: Path

    @property
    def graph_file(self) -> Path:
        """The path of the frozen graph."""
        return self.directory / self.manifest.graph


def open_artifact(archive: Path, directory: Path, expected_digest: str) -> Artifact:
    """Check the digest of `archive`, and check that `directory` contains exactly its files.

    Raises:
        ArtifactError: a digest differs; the message contains the file name and both digests.
        ManifestError, LabelMapError: the content is not supported.
    """
    digest = sha256_of(archive)
    if digest != expected_digest:
        raise ArtifactError(f"{archive}: SHA-256 is {digest}, expected {expected_digest}")
    packed = packed_manifest(archive)
    unpacked = directory / MANIFEST_NAME
    if not unpacked.is_file() or unpacked.read_bytes() != packed:
        raise ArtifactError(f"{unpacked}: is not the manifest of {archive}; unpack it again")
    manifest = Manifest.from_json(packed)
    for name, expected in manifest.files.items():
        actual = sha256_of(directory / name)
        if actual != expected:
            raise ArtifactError(
                f"{directory / name}: SHA-256 is {actual}, its manifest contains {expected}"
            )
    return Artifact(digest, manifest, _labels(directory / manifest.labels), directory)


def open_unpacked(directory: Path) -> Artifact:
    """Open a folder that contains the checked files of an artifact.

    The digest of the result is empty.

    Raises:
        ArtifactError: a file is missing.
        ManifestError, LabelMapError: the content is not supported.
    """
    try:
        manifest = Manifest.from_json((directory / MANIFEST_NAME).read_bytes())
        labels = _labels(directory / manifest.labels)
    except OSError as error:
        raise ArtifactError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return Artifact("", manifest, labels, directory)


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file in lower-case hex.

    Raises:
        ArtifactError: the path is not a regular file, or the file cannot be read.
    """
    # Reading a FIFO may block forever, and a device file has no end.
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
    """Return the bytes of an artifact's manifest.

    Raises:
        ArtifactError: the file is not an artifact, or its manifest is too large.
    """
    return _packed(archive, MANIFEST_NAME, _LARGEST_MANIFEST_BYTES)


def packed_labels(archive: Path, name: str) -> dict[int, str]:
    """Return the labels by id from the label map `name` of an artifact.

    Raises:
        ArtifactError: the artifact does not contain the file, or the file is too large.
        LabelMapError: the file is not a label map.
    """
    content = _packed(archive, name, _LARGEST_LABELS_BYTES)
    try:
        return parse_label_map(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise LabelMapError(f"{archive}: {name} is not UTF-8: {error.reason}") from None


def _packed(archive: Path, name: str, largest_bytes: int) -> bytes:
    """Return the content of one member of an untrusted artifact.

    Raises:
        ArtifactError: the zip is damaged, the member is missing, or a limit is exceeded.
    """
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
