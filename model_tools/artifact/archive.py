"""Archives of artifacts: reproducible writing, and unpacking that checks every byte."""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from model_tools.artifact.manifest_writer import GRAPH_NAME, LABELS_NAME, ModelDescription
from model_tools.artifact.provenance import PROVENANCE_NAME, provenance
from model_tools.artifact.sbom import SBOM_NAME, sbom
from model_tools.errors import RefusedError, SourceError
from model_tools.reproducible_archives import write_tar_gz, zip_bytes
from shared.artifact.archive import BROKEN_ZIP, Artifact, open_artifact, sha256_of
from shared.artifact.labels import write_label_map
from shared.artifact.manifest import MANIFEST_NAME, Manifest

ARTIFACT_NAME = "model.zip"
TAR_NAME = "model.tar.gz"

# Level 6 is gzip's default. Level 9 takes longer and hardly makes weights smaller.
_COMPRESSION_LEVEL = 6
_LARGEST_MANIFEST_BYTES = 1 << 20
_LARGEST_FILE_BYTES = 2 << 30
_LARGEST_RATIO = 200
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class PackagedArtifact:
    """A packaged artifact's path, SHA-256 and size."""

    path: Path
    digest: str
    size_bytes: int


def package(
    models: Path,
    description: ModelDescription,
    graph: bytes,
    labels: dict[int, str],
    extra_files: dict[str, bytes] | None = None,
) -> PackagedArtifact:
    """Write `models/<name>/<sha256>/model.zip`, unless the file exists.

    Args:
        models: the folder of all artifacts.
        description: the content of manifest.json.
        graph: a serialized frozen GraphDef.
        labels: names by id, from 1.
        extra_files: other files that the description names, such as a backbone graph.

    Raises:
        shared.artifact.errors.ManifestError: cameras cannot read the description.
    """
    members, manifest = _members(description, graph, labels, extra_files or {})
    content = zip_bytes(members)
    digest = hashlib.sha256(content).hexdigest()
    path = models / manifest.name / digest / ARTIFACT_NAME
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_atomically(path, content)
    document = json.loads(members[MANIFEST_NAME])
    # These files describe the creation of the artifact, so existing files are not replaced.
    for name, text in (
        (PROVENANCE_NAME, provenance(document, ARTIFACT_NAME, digest)),
        (SBOM_NAME, sbom(document, digest)),
    ):
        if not (path.parent / name).is_file():
            _write_atomically(path.parent / name, text)
    return PackagedArtifact(path, digest, len(content))


def package_tar(
    folder: Path,
    description: ModelDescription,
    graph: bytes,
    labels: dict[int, str],
    extra_files: dict[str, bytes] | None = None,
) -> PackagedArtifact:
    """Write `folder/model.tar.gz`, the format that the original DeepLens guide uploads.

    Gzip's bytes depend on the build of zlib. To compare artifacts between machines, compare the
    members' digests in manifest.json and not the digest of this file.

    Raises:
        shared.artifact.errors.ManifestError: cameras cannot read the description.
    """
    members, _ = _members(description, graph, labels, extra_files or {})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TAR_NAME
    write_tar_gz(members, path, compression_level=_COMPRESSION_LEVEL)
    return PackagedArtifact(path, sha256_of(path), path.stat().st_size)


def checked_manifest(
    description: ModelDescription,
    graph: bytes,
    labels: dict[int, str],
    extra_files: dict[str, bytes] | None = None,
) -> Manifest:
    """Return the manifest that `package` writes for these arguments.

    Raises:
        shared.artifact.errors.ArtifactError: cameras cannot read the description or the labels.
    """
    _, manifest = _members(description, graph, labels, extra_files or {})
    return manifest


def unpack_artifact(archive: Path, folder: Path, digest: str | None = None) -> Artifact:
    """Unpack a model.zip into an empty folder, and check every byte.

    Args:
        archive: the artifact, from an unknown source.
        folder: the empty destination of the files.
        digest: the expected SHA-256; None accepts any digest.

    Raises:
        SourceError: the file is not an artifact.
        RefusedError: members differ from the manifest, or exceed a limit.
        shared.artifact.errors.ArtifactError: a digest, the manifest or the label map is not valid.
    """
    actual_digest = sha256_of(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {member.filename: member for member in opened.infolist()}
            if len(members) != len(opened.infolist()):
                raise RefusedError("archive-member", f"{archive.name} contains a file twice")
            manifest_member = members.get(MANIFEST_NAME)
            if manifest_member is None:
                raise SourceError(f"{archive} is not an artifact: it has no {MANIFEST_NAME}")
            if manifest_member.file_size > _LARGEST_MANIFEST_BYTES:
                raise RefusedError(
                    "archive-size",
                    f"its manifest has {manifest_member.file_size} bytes "
                    f"(max {_LARGEST_MANIFEST_BYTES})",
                )
            manifest = Manifest.from_json(opened.read(manifest_member))
            expected = {MANIFEST_NAME, *manifest.files}
            if members.keys() != expected:
                differing = ", ".join(sorted(name[:60] for name in members.keys() ^ expected)[:5])
                raise RefusedError("archive-member", f"manifest and files differ: {differing}")
            for name in sorted(expected):
                _extract(opened, members[name], folder / name)
    except BROKEN_ZIP as error:
        raise SourceError(f"{archive} is not an artifact that can be unpacked: {error}") from None
    return open_artifact(archive, folder, digest or actual_digest)


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    is_suspicious = member.file_size > _LARGEST_RATIO * max(member.compress_size, 1 << 16)
    if member.file_size > _LARGEST_FILE_BYTES or is_suspicious:
        raise RefusedError("archive-size", f"{member.filename} claims {member.file_size} bytes")
    with archive.open(member) as content, target.open("xb") as file:
        while chunk := content.read(_CHUNK_BYTES):
            file.write(chunk)


def _members(
    description: ModelDescription, graph: bytes, labels: dict[int, str], extra: dict[str, bytes]
) -> tuple[dict[str, bytes], Manifest]:
    files = {GRAPH_NAME: graph, LABELS_NAME: write_label_map(labels).encode(), **extra}
    document = description.as_manifest(files)
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
    manifest = Manifest.from_json(text)
    return files | {MANIFEST_NAME: f"{text}\n".encode()}, manifest


def _write_atomically(path: Path, content: bytes) -> None:
    """Write a temporary file and rename it, so that readers never open an incomplete file."""
    partial = path.with_suffix(".part")
    partial.write_bytes(content)
    partial.replace(path)
