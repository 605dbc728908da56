"""Queries on a GraphDef, names of its tensors, and small edits in place."""

import re
from collections.abc import Iterable
from math import prod
from typing import Any

from model_tools.errors import SourceError

_PLACEHOLDERS = {"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"}
# Fields of a TensorProto by DataType number of types.proto.
_FIELDS = {1: "float_val", 2: "double_val", 3: "int_val", 9: "int64_val", 10: "bool_val"}
_ACTIVATIONS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_SAME_VALUES = frozenset({"Identity", "Reshape", "Squeeze", "ExpandDims"})
_MOST_EXAMPLE_VALUES = 8
_INDEX = re.compile(r"[0-9]{1,9}")
_NODE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")


def node_name(reference: str) -> str:
    """Return the node name of an input reference: `a` for `^a`, `a`, `a:1` and `a:output:0`."""
    return reference.removeprefix("^").split(":", 1)[0]


def output_index(reference: str) -> int:
    """Return the output index of a reference; without an index, 0."""
    _, _, index = reference.rpartition(":")
    return int(index) if ":" in reference and _INDEX.fullmatch(index) else 0


def tensor_name(reference: str) -> str:
    """Return the complete name of a tensor: `a:0` for both `a` and `a:0`."""
    return f"{node_name(reference)}:{output_index(reference)}"


def is_node_name(text: str) -> bool:
    """Return whether TensorFlow accepts `text` as the name of a node."""
    return _NODE.fullmatch(text) is not None


def as_reference(tensor: str) -> str:
    """Return the canonical input reference of a tensor: output 0 has no index."""
    return tensor.removesuffix(":0")


def nodes_by_name(graph: Any) -> dict[str, Any]:
    """Return the nodes of a GraphDef by name."""
    return {node.name: node for node in graph.node}


def needed_by(graph: Any, outputs: Iterable[str], stop_at: Iterable[str] = ()) -> set[str]:
    """Return the names of all nodes that `outputs` need; inputs of `stop_at` are not followed.

    Args:
        graph: a GraphDef.
        outputs: names of nodes or tensors.
        stop_at: names of nodes or tensors that are fed.

    Raises:
        SourceError: the graph does not contain an output or the input of a node.
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
    """Return a GraphDef with the nodes that `outputs` need, in the same order, and the library."""
    needed = needed_by(graph, outputs, stop_at)
    result = type(graph)()
    result.node.extend(node for node in graph.node if node.name in needed)
    result.versions.CopyFrom(graph.versions)
    result.library.CopyFrom(graph.library)
    return result


def prune(graph: Any, outputs: Iterable[str], stop_at: Iterable[str] = ()) -> None:
    """Drop the nodes that `outputs` do not need, in place, without a copy of the weights."""
    needed = needed_by(graph, outputs, stop_at)
    drop(graph, (node.name for node in graph.node if node.name not in needed))


def drop(graph: Any, names: Iterable[str]) -> None:
    """Drop nodes by name, in place."""
    dropped = set(names)
    for position in range(len(graph.node) - 1, -1, -1):
        if graph.node[position].name in dropped:
            del graph.node[position]


def consumers(graph: Any) -> dict[str, list[Any]]:
    """Return the nodes that consume each tensor (`a:0`), without control inputs."""
    by_tensor: dict[str, list[Any]] = {}
    for node in graph.node:
        for reference in node.input:
            if not reference.startswith("^"):
                by_tensor.setdefault(tensor_name(reference), []).append(node)
    return by_tensor


def set_constants(graph: Any, values: Iterable[tuple[str, tuple[float, ...]]]) -> None:
    """Replace placeholders with constants of the same shape, in place.

    Raises:
        SourceError: a placeholder does not exist, is not a number or bool, or has another shape.
    """
    nodes = nodes_by_name(graph)
    for name, numbers in values:
        node = nodes.get(name)
        if node is None or node.op not in _PLACEHOLDERS:
            raise SourceError(f"--set {name}: the graph has no such placeholder")
        kind = node.attr["dtype"].type
        if kind not in _FIELDS:
            raise SourceError(
                f"--set {name}: the placeholder has the DataType {kind}; expected a number or bool"
            )
        sides = shape_of(node, len(numbers))
        if prod(sides) != len(numbers):
            raise SourceError(
                f"--set {name}: the placeholder has the shape {list(sides)}: expected "
                f"{example(node)}; got {len(numbers)} value{'s' if len(numbers) > 1 else ''}"
            )
        node.Clear()
        node.name, node.op = name, "Const"
        node.attr["dtype"].type = kind
        tensor = node.attr["value"].tensor
        tensor.dtype = kind
        tensor.tensor_shape.SetInParent()
        for side in sides:
            tensor.tensor_shape.dim.add(size=side)
        field = _FIELDS[kind]
        convert = {"bool_val": bool, "int_val": int, "int64_val": int}.get(field, float)
        getattr(tensor, field).extend(convert(value) for value in numbers)


def shape_of(node: Any, count: int) -> tuple[int, ...]:
    """Return the shape of a placeholder that has `count` values."""
    shape = node.attr["shape"].shape
    if not node.attr["shape"].HasField("shape") or shape.unknown_rank:
        return () if count == 1 else (count,)
    sides = [dimension.size for dimension in shape.dim]
    known = prod(side for side in sides if side > 0)
    # If a side is unknown, the number of values determines its size.
    return tuple(max(count // known, 1) if side < 0 else side for side in sides)


def example(node: Any) -> str:
    """Return an example of the option `--set` for a placeholder."""
    count = prod(shape_of(node, 1))
    zeros = ",".join(["0"] * min(count, _MOST_EXAMPLE_VALUES))
    return f"--set {node.name}={zeros}{',…' if count > _MOST_EXAMPLE_VALUES else ''}"


def activation_of(graph: Any, output: str) -> str | None:
    """Return `softmax` or `sigmoid` if that activation computes a tensor; None otherwise."""
    nodes = nodes_by_name(graph)
    node: Any = nodes.get(node_name(output))
    while node is not None and node.op in _SAME_VALUES:
        node = nodes.get(node_name(node.input[0]))
    return _ACTIVATIONS.get(node.op) if node is not None else None
