"""Give placeholders that are no inputs a fixed value."""

from collections.abc import Iterable
from typing import Any

from model_tools.errors import SourceError
from model_tools.graphs.reach import nodes_by_name

_PLACEHOLDERS = {"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"}
# Fields of a TensorProto by types.proto's number.
_FIELDS = {1: "float_val", 2: "double_val", 3: "int_val", 9: "int64_val", 10: "bool_val"}


def set_scalars(graph: Any, values: Iterable[tuple[str, float]]) -> None:
    """Turn placeholders, in place, into scalar constants.

    Raises:
        SourceError: there is no such placeholder, or it takes no number.
    """
    nodes = nodes_by_name(graph)
    for name, value in values:
        node = nodes.get(name)
        if node is None or node.op not in _PLACEHOLDERS:
            raise SourceError(f"--set {name}: the graph has no such placeholder")
        kind = node.attr["dtype"].type
        if kind not in _FIELDS:
            raise SourceError(f"--set {name}: it takes neither numbers nor true and false")
        node.Clear()
        node.name, node.op = name, "Const"
        node.attr["dtype"].type = kind
        tensor = node.attr["value"].tensor
        tensor.dtype = kind
        tensor.tensor_shape.SetInParent()
        field = _FIELDS[kind]
        convert = {"bool_val": bool, "int_val": int, "int64_val": int}.get(field, float)
        getattr(tensor, field).append(convert(value))
