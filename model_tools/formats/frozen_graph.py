"""Graphs whose variables are already constants."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from model_tools.errors import SourceError
from model_tools.formats.base import ModelFile
from model_tools.formats.checked_graph import VARIABLES, CheckedGraph, check_graph
from model_tools.formats.signatures import Choice
from model_tools.formats.tensors import LoadedModel
from model_tools.graph.messages import read_message
from model_tools.graph.queries import subgraph
from model_tools.graph.rules import check_structure


@dataclass(frozen=True)
class FrozenGraph(ModelFile):
    """A GraphDef without variables."""

    format_name = "frozen graph"
    example = "a frozen graph (.pb)"
    suffixes = frozenset({".pb", ".pbtxt"})
    # A .pbtxt file in a folder is usually a label map.
    unsearched_suffixes = frozenset({".pbtxt"})

    def check(self, choice: Choice) -> CheckedGraph:
        """Check the operations that the outputs need; return the graph of these operations."""
        graph = read_message(self.path, "GraphDef")
        if not graph.node:
            raise SourceError(f"{self.path} is not a frozen graph: it does not contain a node")
        check_structure(graph)
        checked = check_graph(choice, graph, {})
        needed = subgraph(graph, checked.outputs.values())
        if variables := [node.name for node in needed.node if node.op in VARIABLES]:
            raise SourceError(
                f"{self.path} is not frozen: {', '.join(variables[:3])} need their checkpoint; "
                "give it with --checkpoint"
            )
        return replace(checked, graph=needed)

    def _load(self, choice: Choice) -> LoadedModel:
        checked = self.check(choice)
        from model_tools.formats import tf1  # noqa: PLC0415 - imports TensorFlow

        return tf1.load_frozen(self.path, checked)

    def nodes(self) -> Iterable[Any]:
        """Return all nodes of the file, including nodes that no output needs."""
        return read_message(self.path, "GraphDef").node  # type: ignore[no-any-return]
