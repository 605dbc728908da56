"""Replace bfloat16 by float32.

OpenVINO does not convert bfloat16 constants, and engines select their own precision. The weights do
not change, and the outputs differ by the rounding of bfloat16.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from tensorflow.python.framework import tensor_util

from model_tools.formats.tensors import TensorSpec
from model_tools.graph.rules import all_nodes

# The accepted relative difference of outputs. bfloat16 has an 8-bit significand, so each operation
# rounds by up to 0.4 %.
BFLOAT16_TOLERANCE = 0.02

_NAME = "bfloat16"
# DataType numbers of types.proto.
_FLOAT, _BFLOAT16 = 1, 14


def has_bfloat16(graph: Any) -> bool:
    """Return whether a node of a GraphDef, or of its functions, has the type bfloat16."""
    return any(
        attribute.type == _BFLOAT16 or _BFLOAT16 in attribute.list.type
        for node in all_nodes(graph)
        for attribute in node.attr.values()
    )


def widen(graph: Any) -> None:
    """Replace bfloat16 by float32 in a GraphDef and its functions, in place."""
    for attribute in _attributes(graph):
        if attribute.HasField("tensor") and attribute.tensor.dtype == _BFLOAT16:
            value = np.asarray(tensor_util.MakeNdarray(attribute.tensor), np.float32)
            attribute.tensor.CopyFrom(tensor_util.make_tensor_proto(value))
        elif attribute.type == _BFLOAT16:
            attribute.type = _FLOAT
        elif _BFLOAT16 in attribute.list.type:
            types = [_FLOAT if kind == _BFLOAT16 else kind for kind in attribute.list.type]
            attribute.list.type[:] = types
    for function in graph.library.function:
        for argument in (*function.signature.input_arg, *function.signature.output_arg):
            if argument.type == _BFLOAT16:
                argument.type = _FLOAT


def widened(specs: dict[str, TensorSpec]) -> dict[str, TensorSpec]:
    """Return the specs with float32 instead of bfloat16."""
    return {
        alias: replace(spec, dtype="float32") if spec.dtype == _NAME else spec
        for alias, spec in specs.items()
    }


def _attributes(graph: Any) -> Iterator[Any]:
    nodes: Iterable[Any] = all_nodes(graph)
    for node in nodes:
        yield from node.attr.values()
