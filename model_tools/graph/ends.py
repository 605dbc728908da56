"""What a graph ends in."""

from typing import Any

from model_tools.formats.tensors import TensorSpec
from model_tools.graph.names import node_name
from model_tools.graph.queries import nodes_by_name
from model_tools.protos import message_class

_ACTIVATIONS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_SAME_VALUES = frozenset({"Identity", "Reshape", "Squeeze", "ExpandDims"})


def activation_of(graph: bytes, outputs: dict[str, TensorSpec]) -> str | None:
    """Return `softmax` or `sigmoid` if the one output of a serialised GraphDef is that."""
    if len(outputs) != 1:
        return None
    nodes = nodes_by_name(message_class("GraphDef").FromString(graph))
    (spec,) = outputs.values()
    node: Any = nodes.get(node_name(spec.name))
    while node is not None and node.op in _SAME_VALUES:
        node = nodes.get(node_name(node.input[0]))
    return _ACTIVATIONS.get(node.op) if node is not None else None
