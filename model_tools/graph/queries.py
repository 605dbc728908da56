"""Which nodes an output needs."""

from collections.abc import Iterable
from typing import Any

from model_tools.errors import SourceError
from model_tools.graph.names import node_name, tensor_name


def nodes_by_name(graph: Any) -> dict[str, Any]:
    """Return the nodes of a GraphDef by name."""
    return {node.name: node for node in graph.node}


def needed_by(graph: Any, outputs: Iterable[str], stop_at: Iterable[str] = ()) -> set[str]:
    """Return the names of all nodes that `outputs` need; what feeds `stop_at` is not followed.

    Args:
        graph: a GraphDef.
        outputs: names of nodes or tensors.
        stop_at: names of nodes or tensors that will be fed.

    Raises:
        SourceError: an output, or an input of a node, is not in the graph.
    """
    nodes = nodes_by_name(graph)
    fed = {node_name(name) for name in stop_at}
    waiting = [node_name(name) for name in outputs]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        if name not in nodes:
            raise SourceError(f"the graph has no node {name!r}")
        reached.add(name)
        if name not in fed:
            waiting.extend(node_name(reference) for reference in nodes[name].input)
    return reached


def subgraph(graph: Any, outputs: Iterable[str], stop_at: Iterable[str] = ()) -> Any:
    """Return a GraphDef of what `outputs` need, in the order of `graph`, library and all."""
    kept = needed_by(graph, outputs, stop_at)
    result = type(graph)()
    result.node.extend(node for node in graph.node if node.name in kept)
    result.versions.CopyFrom(graph.versions)
    result.library.CopyFrom(graph.library)
    return result


def prune(graph: Any, outputs: Iterable[str], stop_at: Iterable[str] = ()) -> None:
    """Drop, in place, what `outputs` do not need: as `subgraph`, without a copy of the weights."""
    kept = needed_by(graph, outputs, stop_at)
    drop(graph, (node.name for node in graph.node if node.name not in kept))


def drop(graph: Any, names: Iterable[str]) -> None:
    """Drop nodes by name, in place."""
    gone = set(names)
    for position in range(len(graph.node) - 1, -1, -1):
        if graph.node[position].name in gone:
            del graph.node[position]


def consumers(graph: Any) -> dict[str, list[Any]]:
    """Return, by tensor (`a:0`), the nodes that take it; control inputs are left out."""
    taken: dict[str, list[Any]] = {}
    for node in graph.node:
        for reference in node.input:
            if not reference.startswith("^"):
                taken.setdefault(tensor_name(reference), []).append(node)
    return taken
