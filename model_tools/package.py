"""One artifact from a frozen graph, its labels and what is known of it: the same bytes always."""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from model_tools.describe import GRAPH_NAME, LABELS_NAME, ModelDescription
from model_tools.provenance import PROVENANCE_NAME, provenance
from model_tools.sbom import SBOM_NAME, sbom
from shared.artifact.labels import write_label_map
from shared.artifact.manifest import MANIFEST_NAME, Manifest

ARTIFACT_NAME = "model.zip"
TAR_NAME = "model.tar.gz"

# The earliest moment that a zip can name.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE_FILE = 0o100644 << 16
_UNIX = 3


@dataclass(frozen=True)
class Package:
    """A packaged artifact: where it is and the SHA-256 that names it."""

    path: Path
    digest: str
    size_bytes: int


def package(
    models: Path,
    description: ModelDescription,
    graph: bytes,
    labels: dict[int, str],
    extra_files: dict[str, bytes] | None = None,
) -> Package:
    """Write `models/<name>/<sha256>/model.zip`, unless it is there already.

    Args:
        models: the folder of all artifacts.
        description: becomes manifest.json.
        graph: a serialised frozen GraphDef.
        labels: names by id, from 1.
        extra_files: what the description names besides, such as a cut graph.

    Raises:
        shared.artifact.errors.ManifestError: the description is not what the camera reads.
    """
    members, checked = _members(description, graph, labels, extra_files or {})
    content = _zip(members)
    digest = hashlib.sha256(content).hexdigest()
    path = models / checked.name / digest / ARTIFACT_NAME
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, content)
    document = json.loads(members[MANIFEST_NAME])
    # They say how the artifact came to be: one that is there already was not made now.
    for name, text in (
        (PROVENANCE_NAME, provenance(document, ARTIFACT_NAME, digest)),
        (SBOM_NAME, sbom(document, digest)),
    ):
        if not (path.parent / name).is_file():
            _write_whole(path.parent / name, text)
    return Package(path, digest, len(content))


def package_tar(
    folder: Path,
    description: ModelDescription,
    graph: bytes,
    labels: dict[int, str],
    extra_files: dict[str, bytes] | None = None,
) -> Package:
    """Write `folder/model.tar.gz`, the form that the original DeepLens guide uploads.

    Gzip's bytes depend on the build of zlib: compare the members' digests in manifest.json
    between machines, not this file's.

    Raises:
        shared.artifact.errors.ManifestError: the description is not what the camera reads.
    """
    members, _ = _members(description, graph, labels, extra_files or {})
    content = _tar_gz(members)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TAR_NAME
    _write_whole(path, content)
    return Package(path, hashlib.sha256(content).hexdigest(), len(content))


def checked_manifest(
    description: ModelDescription,
    graph: bytes,
    labels: dict[int, str],
    extra_files: dict[str, bytes] | None = None,
) -> Manifest:
    """Return the manifest that `package` would write.

    Raises:
        shared.artifact.errors.VisionError: the camera cannot read the description or the labels.
    """
    _, checked = _members(description, graph, labels, extra_files or {})
    return checked


def _members(
    description: ModelDescription, graph: bytes, labels: dict[int, str], extra: dict[str, bytes]
) -> tuple[dict[str, bytes], Manifest]:
    files = {GRAPH_NAME: graph, LABELS_NAME: write_label_map(labels).encode(), **extra}
    manifest = description.as_manifest(files)
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
    checked = Manifest.from_json(text)
    return files | {MANIFEST_NAME: f"{text}\n".encode()}, checked


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside and rename: nobody sees half an artifact."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _zip(members: dict[str, bytes]) -> bytes:
    """Zip without a trace of when, where and by whom.

    Members are stored: weights hardly compress, and what a deflate library makes of the same
    bytes depends on its build.
    """
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, _NO_TIME)
            info.external_attr = _READABLE_FILE
            info.create_system = _UNIX
            archive.writestr(info, content)
    return output.getvalue()


def _tar_gz(members: dict[str, bytes]) -> bytes:
    output = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=output, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o644
            archive.addfile(info, io.BytesIO(content))
    return output.getvalue()
