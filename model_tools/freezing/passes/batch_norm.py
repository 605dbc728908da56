"""Replace batch normalization by a product and a sum, which constant folding can simplify.

In inference, `FusedBatchNorm` is `x * scale + offset` with constants. If a convolution has a second
consumer, TensorFlow's `fold_batch_norms` returns wrong values without an error (the largest
absolute difference in a test is 18.8). Grappler, which folds a product into the preceding
convolution, checks for other consumers.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.errors import SourceError
from model_tools.freezing.passes.constants import add_constant, constant_behind
from model_tools.graph.queries import consumers, nodes_by_name

_NORMS = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"}


def unfuse_norms(graph: Any) -> int:
    """Rewrite FusedBatchNorm nodes with constant statistics, in place, and return their number.

    If other nodes use the statistics that a node outputs, the node is not rewritten.

    Raises:
        SourceError: a node uses the statistics of each batch, as in training.
    """
    nodes = nodes_by_name(graph)
    norms = [node for node in graph.node if node.op in _NORMS]
    consumed = consumers(graph)
    rewritten = 0
    for node in norms:
        if "is_training" not in node.attr or node.attr["is_training"].b:
            raise SourceError(
                f"{node.name} uses the statistics of each batch (is_training is true): "
                "export the model for inference"
            )
        constants = [constant_behind(reference, nodes) for reference in node.input[1:5]]
        has_others = any(f"{node.name}:{index}" in consumed for index in range(1, 6))
        if has_others or any(value is None for value in constants):
            continue
        _unfuse(graph, node, [value for value in constants if value is not None])
        rewritten += 1
    return rewritten


def _unfuse(graph: Any, node: Any, constants: list[npt.NDArray[Any]]) -> None:
    scale, offset, mean, variance = (value.astype(np.float64) for value in constants)
    epsilon = node.attr["epsilon"].f if "epsilon" in node.attr else 1e-4
    factor = scale / np.sqrt(variance + epsilon)
    shift = offset - mean * factor
    if node.attr["data_format"].s in (b"NCHW", b"NCDHW"):
        spatial = 3 if node.attr["data_format"].s == b"NCDHW" else 2
        factor, shift = (value.reshape(-1, *[1] * spatial) for value in (factor, shift))
    name, data, kind = node.name, node.input[0], node.attr["T"].type
    controls = [reference for reference in node.input if reference.startswith("^")]
    node.Clear()
    add_constant(graph, f"{name}/factor", factor, kind)
    add_constant(graph, f"{name}/shift", shift, kind)
    product = graph.node.add(name=f"{name}/product", op="Mul", input=[data, f"{name}/factor"])
    product.attr["T"].type = kind
    node.name, node.op = name, "AddV2"
    node.input.extend([product.name, f"{name}/shift", *controls])
    node.attr["T"].type = kind
