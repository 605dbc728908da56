"""Give placeholders that are no inputs a fixed value."""

from collections.abc import Iterable
from math import prod
from typing import Any

from model_tools.errors import SourceError
from model_tools.graph.queries import nodes_by_name

_PLACEHOLDERS = {"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"}
# Fields of a TensorProto by types.proto's number.
_FIELDS = {1: "float_val", 2: "double_val", 3: "int_val", 9: "int64_val", 10: "bool_val"}


def set_constants(graph: Any, values: Iterable[tuple[str, tuple[float, ...]]]) -> None:
    """Turn placeholders, in place, into constants of the shape that they have.

    Raises:
        SourceError: there is no such placeholder, or it takes other values.
    """
    nodes = nodes_by_name(graph)
    for name, given in values:
        node = nodes.get(name)
        if node is None or node.op not in _PLACEHOLDERS:
            raise SourceError(f"--set {name}: the graph has no such placeholder")
        kind = node.attr["dtype"].type
        if kind not in _FIELDS:
            raise SourceError(f"--set {name}: it takes neither numbers nor true and false")
        sides = shape_of(node, len(given))
        if prod(sides) != len(given):
            raise SourceError(
                f"--set {name}: it has the shape {list(sides)}: expected {example(node)}; got "
                f"{len(given)} value{'s' if len(given) > 1 else ''}"
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
        getattr(tensor, field).extend(convert(value) for value in given)


def shape_of(node: Any, count: int) -> tuple[int, ...]:
    """Return the shape that `count` values of a placeholder have."""
    shape = node.attr["shape"].shape
    if not node.attr["shape"].HasField("shape") or shape.unknown_rank:
        return () if count == 1 else (count,)
    sides = [dimension.size for dimension in shape.dim]
    known = prod(side for side in sides if side > 0)
    # One side may be open: it takes what is left.
    return tuple(max(count // known, 1) if side < 0 else side for side in sides)


def example(node: Any) -> str:
    """Return how `--set` gives this placeholder a value."""
    count = prod(shape_of(node, 1))
    return f"--set {node.name}={','.join(['0'] * min(count, 8))}{',…' if count > 8 else ''}"  # noqa: PLR2004 - as many as fit a line
