"""Which kind of model a path holds, told without TensorFlow."""

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from model_tools.errors import AmbiguousError, RefusedError, SourceError
from model_tools.formats.archives import unpack_tar
from model_tools.graph.messages import MOST_PARTS, scan_file, too_many
from model_tools.protos import message_class

LARGEST_GRAPH_BYTES = (1 << 31) - 1
LARGEST_TEXT_BYTES = 64 << 20

SAVED_MODEL_NAME = "saved_model.pb"
_SEARCH_DEPTH = 4
_CHECKPOINT_FILE = re.compile(r"\.(index|meta|data-[0-9]+-of-[0-9]+)\Z")
_VERSION = re.compile(r"[0-9]{1,18}")
_CHECKPOINT_LINE = re.compile(r'^model_checkpoint_path: "([^"\n]+)"$', re.MULTILINE)


class Kind(Enum):
    """Formats that are read."""

    SAVED_MODEL_1 = "TensorFlow 1 SavedModel"
    SAVED_MODEL_2 = "TensorFlow 2 SavedModel"
    KERAS = "Keras file"
    H5 = "Keras HDF5 file"
    CHECKPOINT = "TensorFlow 1 checkpoint"
    FROZEN = "frozen graph"


_FILES = {
    ".keras": Kind.KERAS,
    ".h5": Kind.H5,
    ".hdf5": Kind.H5,
    ".pb": Kind.FROZEN,
    ".pbtxt": Kind.FROZEN,
}


@dataclass(frozen=True)
class ModelFiles:
    """A model on disk."""

    kind: Kind
    # The SavedModel's folder, the file, or the checkpoint's prefix.
    path: Path
    # Of a checkpoint: its .meta or .pbtxt.
    graph: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files and folders of the model."""
        return (self.path,) if self.graph is None else (self.path, self.graph)


def find_model(source: Path, workspace: Path, checkpoint: Path | None = None) -> ModelFiles:
    """Tell what `source` holds; an archive is unpacked below `workspace` first.

    Args:
        source: a file or folder in any format of `Kind`, or a .tar.gz with one inside.
        workspace: an existing folder of the caller's.
        checkpoint: prefix of the weights that belong to a .pbtxt graph.

    Raises:
        SourceError: nothing that can be read.
        AmbiguousError: several models.
        RefusedError: an archive breaks a rule.
    """
    name = source.name.lower()
    if source.is_file() and name.endswith((".tar.gz", ".tgz")):
        destination = workspace / "unpacked"
        unpack_tar(source, destination)
        return _in_folder(destination)
    if source.is_dir():
        has_no_name = (source / ".meta").is_file() and not (source / SAVED_MODEL_NAME).is_file()
        return _checkpoint(_named(source, workspace)) if has_no_name else _in_folder(source)
    if source.is_file() and not _CHECKPOINT_FILE.search(name):
        if checkpoint is not None and (checkpoint / ".index").is_file():
            checkpoint = _named(checkpoint, workspace)
        return _in_file(source, checkpoint)
    prefix = _CHECKPOINT_FILE.sub("", source.name)
    return _checkpoint(source.with_name(prefix) if prefix else _named(source.parent, workspace))


def _in_file(source: Path, checkpoint: Path | None) -> ModelFiles:
    if source.name.lower() == SAVED_MODEL_NAME:
        return _saved_model(source.parent)
    suffix = source.suffix.lower()
    if suffix == ".pbtxt" and checkpoint is not None:
        return ModelFiles(Kind.CHECKPOINT, _with_weights(checkpoint), source)
    if suffix not in _FILES:
        raise SourceError(f"{source}: {_known_formats()}")
    return ModelFiles(_FILES[suffix], source)


def read_message(file: Path, name: str) -> Any:
    """Read a protocol message, in text form if the file is called so.

    Raises:
        SourceError: the file is not one.
        RefusedError: it has more parts than any model, which would take gigabytes.
    """
    size = file.stat().st_size
    if size > LARGEST_GRAPH_BYTES:
        raise SourceError(f"{file} has {size} bytes; a protocol message has at most 2 GiB")
    message = message_class(name)()
    try:
        if file.suffix == ".pbtxt":
            text_format.Parse(_text(file), message)
        else:
            scan_file(file, message_class(name))
            message.ParseFromString(file.read_bytes())
    except (DecodeError, text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{file} is no {name}: {str(error)[:200]}") from None
    return message


def _text(file: Path) -> str:
    """Return a text file's content; a message in it begins with a brace."""
    if file.stat().st_size > LARGEST_TEXT_BYTES:
        raise RefusedError(
            "message-parts",
            f"{file.name} is above the limit of {LARGEST_TEXT_BYTES} bytes for messages in text "
            "form; give it in binary form (.pb)",
        )
    text = file.read_text(encoding="utf-8")
    if sum(map(text.count, "{<:")) > MOST_PARTS:
        raise RefusedError(*too_many(file))
    return text


def _in_folder(folder: Path) -> ModelFiles:
    if (folder / SAVED_MODEL_NAME).is_file():
        return _saved_model(folder)
    patterns = [
        "/".join(["*"] * depth + [SAVED_MODEL_NAME]) for depth in range(1, _SEARCH_DEPTH + 1)
    ]
    found = sorted(file.parent for pattern in patterns for file in folder.glob(pattern))
    if found:
        return _saved_model(_newest(folder, found))
    graphs = sorted(folder.rglob("*.meta"))
    if graphs:
        return _checkpoint_folder(graphs[0].parent)
    files = sorted(
        file for file in folder.rglob("*") if file.suffix in _FILES and file.suffix != ".pbtxt"
    )
    if len(files) == 1:
        return ModelFiles(_FILES[files[0].suffix], files[0])
    if files:
        raise AmbiguousError(f"{folder} has several models; name one: {_listed(folder, files)}")
    raise SourceError(f"{folder}: {_known_formats()}")


def _newest(folder: Path, found: list[Path]) -> Path:
    """Of export/Servo/1, export/Servo/2 the highest number counts, as TensorFlow Serving does."""
    if len({one.parent for one in found}) == 1 and all(
        _VERSION.fullmatch(one.name) for one in found
    ):
        return max(found, key=lambda one: int(one.name))
    if len(found) > 1:
        raise AmbiguousError(
            f"{folder} has several SavedModels; name one: {_listed(folder, found)}"
        )
    return found[0]


def _saved_model(folder: Path) -> ModelFiles:
    fields = scan_file(folder / SAVED_MODEL_NAME, message_class("SavedModel"))
    if "meta_graphs" not in fields:
        raise SourceError(f"{folder / SAVED_MODEL_NAME} contains no graph")
    has_objects = "meta_graphs.object_graph_def" in fields
    return ModelFiles(Kind.SAVED_MODEL_2 if has_objects else Kind.SAVED_MODEL_1, folder)


def _checkpoint_folder(folder: Path) -> ModelFiles:
    prefixes = sorted(file.with_suffix("") for file in folder.glob("*.meta"))
    state = folder / "checkpoint"
    if len(prefixes) > 1 and state.is_file():
        latest = _CHECKPOINT_LINE.search(state.read_text(encoding="utf-8", errors="replace"))
        named = folder / Path(latest[1]).name if latest else None
        if named in prefixes:
            return _checkpoint(named)
    if len(prefixes) > 1:
        raise AmbiguousError(f"{folder} has several checkpoints: {_listed(folder, prefixes)}")
    return _checkpoint(prefixes[0])


def _checkpoint(prefix: Path) -> ModelFiles:
    graph = prefix.with_name(f"{prefix.name}.meta")
    if not graph.is_file() and not prefix.with_name(f"{prefix.name}.index").is_file():
        raise SourceError(f"{prefix}: there is no such file or folder")
    if not graph.is_file():
        raise SourceError(f"{graph} is missing; give the graph's .pbtxt, and --checkpoint {prefix}")
    return ModelFiles(Kind.CHECKPOINT, _with_weights(prefix), graph)


def _named(folder: Path, workspace: Path) -> Path:
    """Add a prefix, by links, to a checkpoint that `saver.save(session, "folder/")` wrote."""
    place = workspace / "model-tools-checkpoint"
    place.mkdir(exist_ok=True)
    for pattern in (".meta", ".index", ".data-*"):
        for file in folder.glob(pattern):
            link = place / f"model{file.name}"
            if not link.is_symlink():
                link.symlink_to(file.resolve())
    return place / "model"


def _with_weights(prefix: Path) -> Path:
    for suffix in (".index", ".data-00000-of-*"):
        if not any(prefix.parent.glob(f"{prefix.name}{suffix}")):
            raise SourceError(f"{prefix}{suffix} is missing beside the graph")
    return prefix


def _listed(folder: Path, paths: list[Path]) -> str:
    return ", ".join(str(path.relative_to(folder)) for path in paths[:8])


def _known_formats() -> str:
    return (
        "no model was found; what works: a SavedModel's folder, a .tar.gz with one, a .keras or "
        ".h5 file, a checkpoint (.meta, .index, .data-*), a .pbtxt graph with --checkpoint, "
        "or a frozen .pb"
    )
