"""Write the model.tar.gz of a trained model, which SageMaker's containers load."""

import ast
import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from model_tools.errors import AmbiguousError, RefusedError, SourceError
from model_tools.formats.archives import unpack_tar
from model_tools.formats.keras_file import KERAS_SUFFIXES, keras_export
from model_tools.graph.messages import message_class, scan_file
from model_tools.mxnet.model import FILES, read_mxnet
from model_tools.reproducible_archives import write_tar_gz
from model_tools.serving.signatures import read_servable_isolated

TENSORFLOW, MXNET = "tensorflow", "mxnet"

_SAVED_MODEL = "saved_model.pb"
_NUMBER = re.compile("[0-9]{1,18}")
_OP_RULE = "op-allowed"
_SCRIPT, _REQUIREMENTS = "inference.py", "requirements.txt"
_MOST_CODE_FILES = 10_000


@dataclass(frozen=True)
class SageMakerPackage:
    """A written model.tar.gz and its content."""

    archive: Path
    sha256: str
    framework: str
    # Paths of the files in the archive.
    members: tuple[str, ...]
    # The reason why `serve-container` cannot serve the model, although SageMaker's container may;
    # None if `serve-container` can.
    not_local: str | None


def package_for_sagemaker(
    source: Path, archive: Path, *, code: Path | None = None, version: int | None = None
) -> SageMakerPackage:
    """Validate a model and package it; the same files result in the same bytes.

    Args:
        source: a SavedModel's folder, a folder with export/Servo/<n>/, a folder with MXNet's three
            files, or a .tar.gz with one of these.
        archive: the model.tar.gz to write.
        code: the folder to package as `code/`; None for that of `source`, if it exists.
        version: version of a SavedModel in the archive, and the version to select if the source
            has several; None for the highest, or 1 if the SavedModel's folder has no number.

    Raises:
        SourceError: the source is not a complete model; the message contains the next step.
        AmbiguousError: the source contains several models.
        RefusedError: a file breaks a rule for untrusted files.
        IsolationError: the process that reads a SavedModel reached a limit.
    """
    if not archive.name.endswith(".tar.gz"):
        raise SourceError(f"{archive} is not a valid name for SageMaker: expected a .tar.gz")
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        folder = _folder(source, Path(workspace))
        not_local: str | None
        if any((folder / name).exists() for name in FILES):
            framework, not_local = MXNET, "only SageMaker's container can run MXNet models"
            read_mxnet(folder)
            members = {name: folder / name for name in FILES}
        else:
            framework = TENSORFLOW
            members, not_local = _tensorflow(folder, version)
        models_code = folder / "code"
        if code is not None or models_code.is_dir():
            members |= _code_files(code or models_code, needs_handlers=framework == TENSORFLOW)
        archive.parent.mkdir(parents=True, exist_ok=True)
        write_tar_gz(members, archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return SageMakerPackage(archive, digest, framework, tuple(sorted(members)), not_local)


def _folder(source: Path, workspace: Path) -> Path:
    if source.is_dir():
        return source
    if not source.is_file():
        raise SourceError(f"{source}: no such file or folder")
    if source.name.endswith((".tar.gz", ".tgz")):
        unpack_tar(source, workspace / "unpacked")
        return workspace / "unpacked"
    if source.name == _SAVED_MODEL:
        return source.parent
    raise SourceError(_not_a_saved_model(source))


def _tensorflow(folder: Path, version: int | None) -> tuple[dict[str, Path], str | None]:
    selected = _select_saved_model(folder, version)
    _reject_frozen_graph(selected / _SAVED_MODEL)
    not_local = None
    try:
        servable = read_servable_isolated(selected)
    except RefusedError as error:
        if error.rule != _OP_RULE:
            raise
        # SageMaker's container runs the author's model; only `serve-container` rejects the
        # operation.
        not_local = str(error)
    else:
        if not servable.signatures:
            raise SourceError(
                f"{selected} has no signature, so no request can run it: export it again with "
                "model.export(folder) or tf.saved_model.save(…, signatures=…)"
            )
    number = selected.name if _NUMBER.fullmatch(selected.name) else "1"
    path = f"export/Servo/{number if version is None else version}"
    return {
        f"{path}/{file.relative_to(selected).as_posix()}": file
        for file in sorted(selected.rglob("*"))
        if file.is_file() and not file.is_symlink()
    }, not_local


def _select_saved_model(folder: Path, version: int | None) -> Path:
    folders = sorted(file.parent for file in folder.rglob(_SAVED_MODEL))
    if not folders:
        for file in sorted(folder.rglob("*")):
            if file.suffix in {".pb", *KERAS_SUFFIXES}:
                raise SourceError(_not_a_saved_model(file))
        raise SourceError(
            f"{folder} contains no model: expected {_SAVED_MODEL} (TensorFlow), or "
            f"{', '.join(FILES)} (MXNet)"
        )
    if len(folders) == 1:
        return folders[0]
    numbers = [int(path.name) if _NUMBER.fullmatch(path.name) else None for path in folders]
    if None in numbers or len({path.parent for path in folders}) > 1:
        shown = ", ".join(str(path.relative_to(folder)) for path in folders[:5])
        raise AmbiguousError(
            f"{folder} contains several SavedModels: give the folder of one: {shown}"
        )
    by_number = dict(zip(numbers, folders, strict=True))
    highest = max(number for number in numbers if number is not None)
    selected = highest if version is None else version
    if selected not in by_number:
        existing = ", ".join(str(number) for number in numbers)
        raise SourceError(f"{folder} has no version {selected}: expected one of {existing}")
    return by_number[selected]


def _reject_frozen_graph(file: Path) -> None:
    """Reject a frozen graph that was renamed to saved_model.pb."""
    if not _has_field(file, "SavedModel", "meta_graphs") and _has_field(file, "GraphDef", "node"):
        raise SourceError(_not_a_saved_model(file))


def _has_field(file: Path, message: str, field: str) -> bool:
    """Return whether a file contains a message of this class with this field."""
    try:
        return field in scan_file(file, message_class(message))
    except SourceError:
        return False


def _not_a_saved_model(file: Path) -> str:
    export = "export the trained model again with model.export('export/Servo/1')"
    if file.suffix == ".pb":
        return (
            f"{file} is a frozen graph, and SageMaker's container loads a SavedModel "
            f"(saved_model.pb and variables/): {export} or tf.saved_model.save; cameras run frozen "
            "graphs: `deeplens model package`"
        )
    if file.suffix in KERAS_SUFFIXES:
        return (
            f"{file} is a Keras file, and SageMaker's container loads a SavedModel: "
            f"{keras_export(file, 'export/Servo/1')}"
        )
    return (
        f"{file} is not a model: expected a SavedModel's folder, a folder with MXNet's three "
        "files, or a .tar.gz"
    )


def _code_files(folder: Path, *, needs_handlers: bool) -> dict[str, Path]:
    """Return a model's code files by their paths in the archive, without executing them.

    Args:
        folder: a folder with inference.py, requirements.txt, or both; all other files are packaged,
            too, except hidden files and `__pycache__`.
        needs_handlers: True to require the handlers of SageMaker's TensorFlow Serving container.

    Raises:
        SourceError: the folder has neither file, contains a link or too many files, or its
            inference.py is not valid Python or lacks the required handlers.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder: expected one that contains {_SCRIPT}")
    if not any((folder / name).is_file() for name in (_SCRIPT, _REQUIREMENTS)):
        raise SourceError(f"{folder} has no {_SCRIPT} and no {_REQUIREMENTS}: expected one of them")
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if "__pycache__" in relative.parts or any(part.startswith(".") for part in relative.parts):
            continue
        if path.is_symlink():
            raise SourceError(f"{path} is a link: replace it with the file")
        if path.is_file():
            files[f"code/{relative.as_posix()}"] = path
        if len(files) > _MOST_CODE_FILES:
            raise SourceError(f"{folder} contains too many files (max {_MOST_CODE_FILES})")
    if f"code/{_SCRIPT}" in files:
        _check_script(files[f"code/{_SCRIPT}"], needs_handlers=needs_handlers)
    return files


def _check_script(file: Path, *, needs_handlers: bool) -> None:
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{file} is not valid Python: {error}") from None
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
    # Without execution, the names from `import *` or a conditional definition are unknown.
    is_complete = "*" not in names and not any(
        isinstance(node, ast.If | ast.Try) for node in tree.body
    )
    if (
        needs_handlers
        and is_complete
        and "handler" not in names
        and not {"input_handler", "output_handler"} <= names
    ):
        raise SourceError(
            f"{file} has no handlers: expected handler(data, context), or both "
            "input_handler(data, context) and output_handler(response, context)"
        )
