"""From a trained model to the model.tar.gz that SageMaker's containers load."""

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from model_tools.errors import AmbiguousError, RefusedError, SourceError
from model_tools.hosting.archive import pack
from model_tools.hosting.mxnet import FILES, read_mxnet
from model_tools.hosting.user_code import code_files
from model_tools.protos import message_class
from model_tools.serving.signatures import read_in_limits
from model_tools.sources.archives import unpack_tar
from model_tools.sources.exporting import KERAS_SUFFIXES, keras_export
from model_tools.sources.wire import scan_file

TENSORFLOW, MXNET = "tensorflow", "mxnet"

_SAVED_MODEL = "saved_model.pb"
_NUMBER = re.compile("[0-9]{1,18}")
_OP_RULE = "op-allowed"


@dataclass(frozen=True)
class Packed:
    """A model.tar.gz that was written."""

    archive: Path
    sha256: str
    framework: str
    # Files by their places in the archive.
    members: tuple[str, ...]
    # Why `serve-container` would not take it, though SageMaker's container may; None: it would.
    not_local: str | None


def host_package(
    source: Path, archive: Path, *, code: Path | None = None, version: int | None = None
) -> Packed:
    """Validate a model and pack it; the same files give the same bytes each time.

    Args:
        source: a SavedModel's folder, a folder with export/Servo/<n>/, a folder with MXNet's three
            files, or a .tar.gz with one of these.
        archive: the model.tar.gz to write.
        code: a folder for `code/`; None: that of `source`, if it has one.
        version: of a SavedModel; None: its folder's number, or 1.

    Raises:
        SourceError: it is no complete model; the text says what to do.
        AmbiguousError: there are several.
        RefusedError: a file breaks a rule for files from outside.
        IsolationError: the process that reads a SavedModel met a limit.
    """
    if not archive.name.endswith(".tar.gz"):
        raise SourceError(f"{archive}: SageMaker takes a .tar.gz")
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        folder = _folder(source, Path(workspace))
        own = folder / "code"
        why_not: str | None
        if any((folder / name).exists() for name in FILES):
            framework, why_not = MXNET, "MXNet models run in SageMaker's container only"
            read_mxnet(folder)
            members = {name: folder / name for name in FILES}
        else:
            framework = TENSORFLOW
            members, why_not = _tensorflow(folder, version)
        if code is not None or own.is_dir():
            members |= code_files(code or own, handlers=framework == TENSORFLOW)
        archive.parent.mkdir(parents=True, exist_ok=True)
        pack(members, archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return Packed(archive, digest, framework, tuple(sorted(members)), why_not)


def _folder(source: Path, workspace: Path) -> Path:
    if source.is_dir():
        return source
    if not source.is_file():
        raise SourceError(f"{source}: there is no such file or folder")
    if source.name.endswith((".tar.gz", ".tgz")):
        unpack_tar(source, workspace / "unpacked")
        return workspace / "unpacked"
    if source.name == _SAVED_MODEL:
        return source.parent
    raise SourceError(_no_saved_model(source))


def _tensorflow(folder: Path, version: int | None) -> tuple[dict[str, Path], str | None]:
    chosen = _saved_model(folder, version)
    _check_saved_model(chosen / _SAVED_MODEL)
    why_not = None
    try:
        servable = read_in_limits(chosen)
    except RefusedError as error:
        if error.rule != _OP_RULE:
            raise
        # The author's own model, on SageMaker: only this machine's server would not take it.
        why_not = str(error)
    else:
        if not servable.signatures:
            raise SourceError(
                f"{chosen} has no signature, so nobody can ask it: "
                "model.export(folder), or tf.saved_model.save(…, signatures=…)"
            )
    number = chosen.name if _NUMBER.fullmatch(chosen.name) else "1"
    place = f"export/Servo/{number if version is None else version}"
    return {
        f"{place}/{file.relative_to(chosen).as_posix()}": file
        for file in sorted(chosen.rglob("*"))
        if file.is_file() and not file.is_symlink()
    }, why_not


def _saved_model(folder: Path, version: int | None) -> Path:
    found = sorted(file.parent for file in folder.rglob(_SAVED_MODEL))
    if not found:
        for file in sorted(folder.rglob("*")):
            if file.suffix in {".pb", *KERAS_SUFFIXES}:
                raise SourceError(_no_saved_model(file))
        raise SourceError(
            f"{folder} has no {_SAVED_MODEL} (TensorFlow) and no {', '.join(FILES)} (MXNet)"
        )
    if len(found) == 1:
        return found[0]
    numbers = [int(one.name) if _NUMBER.fullmatch(one.name) else None for one in found]
    if None in numbers or len({one.parent for one in found}) > 1:
        shown = ", ".join(str(one.relative_to(folder)) for one in found[:5])
        raise AmbiguousError(f"{folder} has several SavedModels; name the folder of one: {shown}")
    by_number = dict(zip(numbers, found, strict=True))
    chosen = max(number for number in numbers if number is not None) if version is None else version
    if chosen not in by_number:
        known = ", ".join(str(number) for number in numbers)
        raise SourceError(f"{folder} has no version {chosen}; there are {known}")
    return by_number[chosen]


def _check_saved_model(file: Path) -> None:
    """Tell a frozen graph that was only renamed."""
    if not _has(file, "SavedModel", "meta_graphs") and _has(file, "GraphDef", "node"):
        raise SourceError(_no_saved_model(file))


def _has(file: Path, name: str, field: str) -> bool:
    """Return whether a file is such a message, with this field."""
    try:
        return field in scan_file(file, message_class(name))
    except SourceError:
        return False


def _no_saved_model(file: Path) -> str:
    how = "export the trained model again with model.export('export/Servo/1')"
    if file.suffix == ".pb":
        return (
            f"{file} is a frozen graph, and SageMaker's container loads a SavedModel "
            f"(saved_model.pb and variables/): {how} or tf.saved_model.save; a frozen graph is for "
            "cameras: `deeplens model package`"
        )
    if file.suffix in KERAS_SUFFIXES:
        return (
            f"{file} is a Keras file, and SageMaker's container loads a SavedModel: "
            f"{keras_export(file, 'export/Servo/1')}"
        )
    return f"{file} is no model: give a SavedModel's folder, MXNet's three files, or a .tar.gz"
