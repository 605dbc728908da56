"""Checkpoints of TensorFlow 1 with their graphs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model_tools.errors import AmbiguousError, SourceError
from model_tools.formats.base import SearchPath, SourceModel
from model_tools.formats.checked_graph import CheckedGraph, check_graph
from model_tools.formats.signatures import Choice
from model_tools.formats.tensors import LoadedModel
from model_tools.graph.messages import read_message
from model_tools.graph.queries import subgraph
from model_tools.graph.rules import check_structure

_FILE = re.compile(r"\.(index|meta|data-[0-9]+-of-[0-9]+)\Z")
_LATEST = re.compile(r'^model_checkpoint_path: "([^"\n]+)"$', re.MULTILINE)
_MOST_LISTED = 8


@dataclass(frozen=True)
class Checkpoint(SourceModel):
    """A checkpoint that a tf.train.Saver wrote; `path` is the prefix of its files."""

    format_name = "TensorFlow 1 checkpoint"
    example = "a checkpoint (.meta, .index, .data-*), a .pbtxt graph with --checkpoint"

    # A .meta or .pbtxt file.
    graph: Path

    @classmethod
    def detect(cls, place: SearchPath) -> list[SourceModel]:
        """Return the checkpoint of a file or prefix, or the latest checkpoint of a folder."""
        path = place.path
        if path.is_dir():
            if (path / ".meta").is_file():
                return [_at(_with_prefix(path, place.workspace))]
            graphs = sorted(path.rglob("*.meta"))
            return [_newest(graphs[0].parent)] if graphs else []
        if path.is_file() and not _FILE.search(path.name.lower()):
            if path.suffix.lower() != ".pbtxt" or place.checkpoint is None:
                return []
            prefix = place.checkpoint
            if (prefix / ".index").is_file():
                prefix = _with_prefix(prefix, place.workspace)
            return [cls(_with_weights(prefix), path)]
        name = _FILE.sub("", path.name)
        return [_at(path.with_name(name) if name else _with_prefix(path.parent, place.workspace))]

    def check(self, choice: Choice) -> CheckedGraph:
        """Check the operations that the outputs need; return the graph of these operations."""
        signatures: dict[str, Any] = {}
        if self.graph.suffix == ".meta":
            meta = read_message(self.graph, "MetaGraphDef")
            graph, signatures = meta.graph_def, dict(meta.signature_def)
        else:
            graph = read_message(self.graph, "GraphDef")
        check_structure(graph)
        checked = check_graph(choice, graph, signatures)
        return replace(checked, graph=subgraph(graph, checked.outputs.values()))

    def _load(self, choice: Choice) -> LoadedModel:
        checked = self.check(choice)
        from model_tools.formats import tf1  # noqa: PLC0415 - imports TensorFlow

        return tf1.load_checkpoint(self.path, checked)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The prefix of the checkpoint, and the graph."""
        return (self.path, self.graph)

    def files(self) -> Iterable[Path]:
        """Yield the files of the prefix, and the graph if it has another name."""
        yield from self.path.parent.glob(f"{self.path.name}.*")
        if self.graph.suffix == ".pbtxt":
            yield self.graph

    def nodes(self) -> Iterable[Any]:
        """Return the nodes of a .meta file, including training nodes; empty for a .pbtxt graph."""
        if self.graph.suffix != ".meta":
            return ()
        return read_message(self.graph, "MetaGraphDef").graph_def.node  # type: ignore[no-any-return]


def _newest(folder: Path) -> Checkpoint:
    """Return the checkpoint that a folder's `checkpoint` file names, or the only checkpoint."""
    prefixes = sorted(file.with_suffix("") for file in folder.glob("*.meta"))
    state = folder / "checkpoint"
    if len(prefixes) > 1 and state.is_file():
        latest = _LATEST.search(state.read_text(encoding="utf-8", errors="replace"))
        prefix = folder / Path(latest[1]).name if latest else None
        if prefix in prefixes:
            return _at(prefix)
    if len(prefixes) > 1:
        listed = ", ".join(prefix.name for prefix in prefixes[:_MOST_LISTED])
        raise AmbiguousError(f"{folder} contains several checkpoints; name one of them: {listed}")
    return _at(prefixes[0])


def _at(prefix: Path) -> Checkpoint:
    graph = prefix.with_name(f"{prefix.name}.meta")
    if not graph.is_file() and not prefix.with_name(f"{prefix.name}.index").is_file():
        raise SourceError(f"{prefix}: there is no such file or folder")
    if not graph.is_file():
        raise SourceError(f"{graph} is missing; give the graph's .pbtxt, and --checkpoint {prefix}")
    return Checkpoint(_with_weights(prefix), graph)


def _with_prefix(folder: Path, workspace: Path) -> Path:
    """Create links to a checkpoint whose prefix is a folder, and return the prefix of the links.

    `saver.save(session, "folder/")` writes such a checkpoint; its files are named `.index`, `.meta`
    and `.data-*`.
    """
    links = workspace / "model-tools-checkpoint"
    links.mkdir(exist_ok=True)
    for pattern in (".meta", ".index", ".data-*"):
        for file in folder.glob(pattern):
            link = links / f"model{file.name}"
            if not link.is_symlink():
                link.symlink_to(file.resolve())
    return links / "model"


def _with_weights(prefix: Path) -> Path:
    for suffix in (".index", ".data-00000-of-*"):
        if not any(prefix.parent.glob(f"{prefix.name}{suffix}")):
            raise SourceError(f"{prefix}{suffix} is missing; a graph needs the weights")
    return prefix
