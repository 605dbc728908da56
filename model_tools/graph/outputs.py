"""Limit the size of outputs that constants determine before a graph runs.

A node of a few bytes can declare gigabytes, such as `Fill` with constant dimensions. The rule
applies to operations whose outputs can be larger than their inputs, if constants set the size.
"""

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any

from model_tools.errors import RefusedError
from model_tools.graph.queries import node_name

# The maximum size of an output. The largest tensors of typical models have about 100 MiB, for
# example a batch of large images.
LARGEST_OUTPUT_BYTES = 512 << 20

_MOST_VALUES = 64
_MOST_IDENTITIES = 16
_LARGEST_ITEM_BYTES = 8
_SMALL_ITEMS = {4: 1, 5: 2, 6: 1, 10: 1, 14: 2, 17: 2, 19: 2, 1: 4, 3: 4, 22: 4}
_FORMATS = {1: "f", 2: "d", 3: "i", 9: "q"}
_FIELDS = {1: "float_val", 2: "double_val", 3: "int_val", 9: "int64_val"}
_TYPE_ATTRIBUTES = ("dtype", "T", "output_type")

Values = Sequence[float]
# Constant inputs of a node, in order; None for an input that is not constant.
_Inputs = Sequence[Values | None]


def check_outputs(scopes: Iterable[Iterable[Any]]) -> None:
    """Check that constants do not make an output too large.

    Args:
        scopes: the nodes of the graph, and of each function.

    Raises:
        RefusedError: an output breaks the rule output-size.
    """
    for scope in scopes:
        nodes = {node.name: node for node in scope}
        for node in nodes.values():
            rule = _RULES.get(node.op)
            if rule is None:
                continue
            inputs = [_constant(reference, nodes) for reference in node.input]
            try:
                size = rule(inputs) * _item_bytes(node)
            except (IndexError, TypeError, ValueError, ZeroDivisionError, OverflowError):
                # If an input is missing, not constant or not a number, the size is unknown.
                continue
            if size > LARGEST_OUTPUT_BYTES:
                raise RefusedError(
                    "output-size",
                    f"{node.name[:60]!r} ({node.op}) makes a tensor of {size:.0f} bytes; "
                    f"the limit is {LARGEST_OUTPUT_BYTES}",
                )


def _constant(reference: str, nodes: Mapping[str, Any]) -> Values | None:
    """Return the values of a small constant, also behind Identity nodes; None otherwise."""
    node = nodes.get(node_name(reference))
    for _ in range(_MOST_IDENTITIES):
        if node is None or node.op not in {"Identity", "StopGradient"} or not node.input:
            break
        node = nodes.get(node_name(node.input[0]))
    if node is None or node.op != "Const":
        return None
    tensor = node.attr["value"].tensor
    count = prod(dimension.size for dimension in tensor.tensor_shape.dim)
    if tensor.dtype not in _FORMATS or not 0 <= count <= _MOST_VALUES:
        return None
    if tensor.tensor_content:
        layout = f"<{count}{_FORMATS[tensor.dtype]}"
        if struct.calcsize(layout) != len(tensor.tensor_content):
            return None
        return struct.unpack(layout, tensor.tensor_content)
    values = list(getattr(tensor, _FIELDS[tensor.dtype])) or [0]
    # A TensorProto with fewer values than elements repeats its last value.
    return (values + [values[-1]] * count)[:count]


def _item_bytes(node: Any) -> int:
    types = [node.attr[name].type for name in _TYPE_ATTRIBUTES if name in node.attr]
    return max((_SMALL_ITEMS.get(kind, _LARGEST_ITEM_BYTES) for kind in types), default=1)


def _product_of(position: int) -> Callable[[_Inputs], float]:
    """Return a rule for outputs whose sides are an input; an unknown side (-1) counts as 1."""

    def rule(inputs: _Inputs) -> float:
        return prod(max(1, abs(side)) for side in _known(inputs[position]))

    return rule


def _value_of(position: int) -> Callable[[_Inputs], float]:
    def rule(inputs: _Inputs) -> float:
        return max(_known(inputs[position]), default=0)

    return rule


def _range(inputs: _Inputs) -> float:
    (start,), (limit,), (delta,) = (_known(values) for values in inputs[:3])
    return math.ceil((limit - start) / delta)


def _padded(inputs: _Inputs) -> float:
    """Return the minimum size of a padded tensor: a side without padding counts as 1."""
    paddings = _known(inputs[1])
    pairs = zip(paddings[::2], paddings[1::2], strict=True)
    return prod(1 + max(0, before) + max(0, after) for before, after in pairs)


def _known(values: Values | None) -> Values:
    if values is None:
        raise ValueError("not constant")
    return values


_BY_RULE: tuple[tuple[Callable[[_Inputs], float], str], ...] = (
    (
        _product_of(0),
        (
            "Fill Empty RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal "
            "StatelessRandomUniform StatelessRandomUniformV2 StatelessRandomNormal "
            "StatelessRandomNormalV2 Conv2DBackpropInput Conv3DBackpropInputV2 "
            "DepthwiseConv2dNativeBackpropInput"
        ),
    ),
    (
        _product_of(1),
        (
            "BroadcastTo Tile ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor "
            "ScaleAndTranslate"
        ),
    ),
    (_product_of(2), "ImageProjectiveTransformV2 ImageProjectiveTransformV3 ScatterNd"),
    (_product_of(3), "CropAndResize"),
    (_value_of(0), "TensorArrayV3"),
    (_value_of(1), "Bincount DenseBincount OneHot TensorListReserve TensorListResize"),
    (_value_of(2), "LinSpace"),
    (_padded, "Pad PadV2 MirrorPad"),
    (_range, "Range"),
)
_RULES = {op: rule for rule, ops in _BY_RULE for op in ops.split()}
