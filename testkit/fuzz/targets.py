"""Fuzz targets: functions that pass bytes to the reader of an untrusted file.

A target may raise only the reader's errors; any other exception is a defect.
`testkit/fuzz/corpus/<target>/` contains inputs that reach all branches found so far, and inputs
that caused defects.
"""

from collections.abc import Callable
from pathlib import Path

from model_tools.artifact.archive import unpack_artifact
from model_tools.artifact.labels import read_labels
from model_tools.errors import ModelToolsError
from model_tools.formats.archives import check_zip, unpack_tar
from model_tools.formats.detect import find_model
from model_tools.formats.keras_config import check_keras_config
from model_tools.formats.signatures import Choice
from model_tools.mxnet.model import FILES, read_mxnet
from model_tools.mxnet.params import read_parameters
from shared.artifact.archive import open_artifact, open_unpacked, sha256_of
from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import Manifest

Target = Callable[[bytes, Path], None]

_SMALL_ARCHIVE_BYTES = 1 << 20


def _archive(content: bytes, folder: Path) -> None:
    archive = _file(folder, "model.tar.gz", content)
    unpack_tar(archive, folder / "unpacked", _SMALL_ARCHIVE_BYTES)


def _keras(content: bytes, folder: Path) -> None:
    file = _file(folder, "model.keras", content)
    check_zip(file, _SMALL_ARCHIVE_BYTES)
    check_keras_config(file)


def _model(name: str) -> Target:
    def target(content: bytes, folder: Path) -> None:
        find_model(_file(folder, name, content), folder).check(Choice())

    return target


def _saved_model(content: bytes, folder: Path) -> None:
    _file(folder, "saved_model.pb", content)
    find_model(folder, folder).check(Choice())


def _labels(name: str) -> Target:
    def target(content: bytes, folder: Path) -> None:
        read_labels(_file(folder, name, content))

    return target


def _manifest(content: bytes, _folder: Path) -> None:
    Manifest.from_json(content)


def _artifact_labels(content: bytes, folder: Path) -> None:
    (folder / "manifest.json").write_bytes(_MANIFEST)
    (folder / Manifest.from_json(_MANIFEST).labels).write_bytes(content)
    open_unpacked(folder)


def _artifact(content: bytes, folder: Path) -> None:
    archive = _file(folder, "model.zip", content)
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    unpack_artifact(archive, unpacked)


def _camera_artifact(content: bytes, folder: Path) -> None:
    archive = _file(folder, "model.zip", content)
    open_artifact(archive, folder, sha256_of(archive))


def _mxnet_params(content: bytes, folder: Path) -> None:
    read_parameters(_file(folder, "model-0000.params", content))


def _mxnet(name: str) -> Target:
    """Return a target that replaces one file of a complete MXNet model with the input."""

    def target(content: bytes, folder: Path) -> None:
        for other in FILES:
            if other != name:
                _file(folder, other, (CORPUS / _MXNET_CORPORA[other] / "small").read_bytes())
        _file(folder, name, content)
        read_mxnet(folder)

    return target


def _file(folder: Path, name: str, content: bytes) -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


CORPUS = Path(__file__).with_name("corpus")
_MANIFEST = (Path(__file__).parent / "corpus" / "manifest" / "shapes").read_bytes()
_MXNET_CORPORA = dict(zip(FILES, ("mxnet-symbol", "mxnet-params", "mxnet-shapes"), strict=True))

TARGETS: dict[str, Target] = {
    "archive": _archive,
    "keras": _keras,
    "h5": _model("model.h5"),
    "graph": _model("graph.pb"),
    "graph-text": _model("graph.pbtxt"),
    "saved-model": _saved_model,
    "labels-map": _labels("labels.pbtxt"),
    "labels-json": _labels("labels.json"),
    "labels-text": _labels("labels.txt"),
    "manifest": _manifest,
    "artifact": _artifact,
    "artifact-labels": _artifact_labels,
    "camera-artifact": _camera_artifact,
    "mxnet-params": _mxnet_params,
    "mxnet-symbol": _mxnet(FILES[0]),
    "mxnet-shapes": _mxnet(FILES[2]),
}


def run(name: str, content: bytes, folder: Path) -> None:
    """Run a target on one input in an empty folder; ignore ModelToolsError and ArtifactError."""
    try:
        TARGETS[name](content, folder)
    except (ModelToolsError, ArtifactError):
        return
