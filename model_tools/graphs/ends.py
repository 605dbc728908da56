"""What a graph ends in."""

from typing import Any

from model_tools.graphs.names import node_name
from model_tools.graphs.reach import nodes_by_name
from model_tools.protos import message_class
from model_tools.sources.tensors import TensorSpec


def is_softmax(graph: bytes, outputs: dict[str, TensorSpec]) -> bool:
    """Tell whether the one output of a serialised GraphDef is a softmax."""
    if len(outputs) != 1:
        return False
    nodes = nodes_by_name(message_class("GraphDef").FromString(graph))
    (spec,) = outputs.values()
    node: Any = nodes.get(node_name(spec.name))
    while node is not None and node.op in {"Identity", "Reshape"}:
        node = nodes.get(node_name(node.input[0]))
    return node is not None and node.op == "Softmax"
