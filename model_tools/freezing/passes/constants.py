"""Convert constants of a GraphDef to arrays, and arrays to constants."""

from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow.python.framework import tensor_util

from model_tools.graph.queries import node_name, output_index

_TRANSPARENT = {"Identity", "ReadVariableOp", "StopGradient", "Snapshot"}


def constant_behind(reference: str, nodes: dict[str, Any]) -> npt.NDArray[Any] | None:
    """Return the constant that a reference leads to, or None.

    Nodes that do not change values may be between the reference and the constant.
    """
    node = nodes[node_name(reference)]
    while node.op in _TRANSPARENT:
        node = nodes[node_name(node.input[0])]
    if node.op != "Const" or output_index(reference) != 0:
        return None
    return np.asarray(tensor_util.MakeNdarray(node.attr["value"].tensor))


def add_constant(graph: Any, name: str, value: npt.NDArray[Any], data_type: int) -> None:
    """Add a Const node; `data_type` is a DataType number of types.proto."""
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = data_type
    node.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(value, dtype=data_type))
