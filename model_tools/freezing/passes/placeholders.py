"""Replace the chosen inputs by the placeholders that receive a frozen graph's input."""

from typing import Any

import numpy as np

from model_tools.errors import FreezeError, SourceError
from model_tools.formats.tensors import TensorSpec
from model_tools.graph.queries import (
    as_reference,
    node_name,
    nodes_by_name,
    output_index,
    tensor_name,
)

# DataType numbers of types.proto for placeholders.
_DATA_TYPES = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "object": 7,
    "int64": 9, "bool": 10, "uint16": 17, "float16": 19, "uint32": 22, "uint64": 23,
}  # fmt: skip


def feed(graph: Any, inputs: dict[str, TensorSpec]) -> dict[str, TensorSpec]:
    """Replace the inputs by placeholders, in place, and return their new specs.

    After that, no output needs the nodes before the inputs, such as `ParseExample`.

    Raises:
        FreezeError: the graph already has a node with the name of a new placeholder.
        SourceError: an input has a type that cannot be fed.
    """
    nodes = nodes_by_name(graph)
    renamed: dict[str, str] = {}
    fed = {}
    for alias, spec in inputs.items():
        node = nodes[node_name(spec.name)]
        if output_index(spec.name) == 0:
            name = node.name
            node.Clear()
        else:
            name = f"{node.name}_{output_index(spec.name)}"
            if name in nodes:
                raise FreezeError(
                    f"the placeholder of the input {spec.name} would be named {name}, and the "
                    "graph has such a node: choose another tensor with --input"
                )
            node = graph.node.add()
            renamed[spec.name] = name
        _placeholder(node, name, spec)
        fed[alias] = TensorSpec(f"{name}:0", spec.dtype, spec.shape)
    rename_inputs(graph, renamed)
    return fed


def use_defaults(graph: Any) -> None:
    """Replace each PlaceholderWithDefault by its default, in place.

    Before this call, `feed` must replace the nodes that are inputs.
    """
    for node in graph.node:
        if node.op == "PlaceholderWithDefault":
            default, kind = node.input[0], node.attr["dtype"].type
            name = node.name
            node.Clear()
            node.name, node.op = name, "Identity"
            node.input.append(default)
            node.attr["T"].type = kind


def rename_inputs(graph: Any, renamed: dict[str, str]) -> None:
    """Replace references to tensors, in place.

    Args:
        graph: a GraphDef.
        renamed: new references by complete tensor name (`a:0`).
    """
    if not renamed:
        return
    for node in graph.node:
        for position, reference in enumerate(node.input):
            if not reference.startswith("^") and tensor_name(reference) in renamed:
                node.input[position] = as_reference(renamed[tensor_name(reference)])


def _placeholder(node: Any, name: str, spec: TensorSpec) -> None:
    kind = _DATA_TYPES.get(np.dtype(spec.dtype).name)
    if kind is None:
        raise SourceError(
            f"the input {spec.name} has the type {spec.dtype}, which cannot be fed: expected one "
            f"of {', '.join(_DATA_TYPES)}"
        )
    node.name, node.op = name, "Placeholder"
    node.attr["dtype"].type = kind
    shape = node.attr["shape"].shape
    if spec.shape is None:
        shape.unknown_rank = True
        return
    for side in spec.shape:
        shape.dim.add(size=-1 if side is None else side)
