"""Inspect the tensors, operations, size and FLOPs of a model, and the runtimes that can read it."""

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from model_tools.formats.base import SourceModel
from model_tools.formats.detect import find_model
from model_tools.formats.signatures import Choice
from model_tools.formats.tensors import TensorSpec
from model_tools.graph.messages import read_message
from model_tools.graph.queries import node_name
from model_tools.sandbox import Limits, isolated

# Operations on DeepLens' documented list. Source: AWS DeepLens Developer Guide, supported layers of
# TensorFlow models.
DEEPLENS_OPS = frozenset(
    """
    Add AvgPool BatchToSpaceND BiasAdd Const Conv2D Conv2DBackpropInput Identity Maximum MaxPool
    Mean Mul Neg Pad Placeholder Prod RandomUniform Range Relu Reshape Rsqrt Shape Softmax
    SpaceToBatchND Square Squeeze StopGradient Sub Sum Tile
    """.split()  # noqa: SIM905 - easier to read than ninety string literals
)

_MOST_STRAYS = 20


@dataclass(frozen=True)
class Inspection:
    """The properties of a model and of its frozen graph."""

    format: str
    # Inputs and outputs by signature key; empty for graphs without signatures.
    signatures: dict[str, dict[str, dict[str, str]]]
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    parameters: int
    # The size of the constants that the outputs need.
    size_bytes: int
    # Floating-point operations of one run, outside loops; a multiply-add counts as two.
    flops: int | None
    # The number of nodes by operation, in the frozen graph.
    ops: dict[str, int]
    # The number of nodes of the file that no output needs, and examples.
    stray_nodes: int
    some_stray_nodes: tuple[str, ...]
    # The number of nodes by operation, if the operation is not on DeepLens' documented list. The
    # list is not enforced.
    outside_deeplens_list: dict[str, int]
    # For each runtime, the reason why it cannot read the graph, or None if it can.
    consumers: dict[str, str | None]

    def as_dict(self) -> dict[str, Any]:
        """Return the properties as plain data."""
        return asdict(self)


def inspect_model(  # noqa: PLR0913 - options of the caller
    source: Path,
    choice: Choice,
    *,
    checkpoint: Path | None = None,
    side_px: int = 224,
    tensorboard: Path | None = None,
    limits: Limits | None = None,
) -> Inspection:
    """Inspect a model; the only files written are those for TensorBoard.

    Args:
        source: a model in one of `formats.detect.FORMATS`.
        choice: signature, inputs and outputs.
        checkpoint: prefix of the weights of a .pbtxt graph.
        side_px: height and width for FLOPs, if the model has variable sides.
        tensorboard: a folder to write the graph to, for TensorBoard.
        limits: limits of the process that runs TensorFlow.

    Raises:
        ModelToolsError: see `model_tools.errors`.
    """
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        model = find_model(source, Path(workspace), checkpoint)
        model.check_before_sandbox(choice)
        limits = limits or Limits.for_files(*model.paths)
        return isolated(_inspect, model, choice, side_px, tensorboard, limits=limits)


def _inspect(
    source: SourceModel,
    choice: Choice,
    side_px: int,
    tensorboard: Path | None,
) -> Inspection:
    # This call checks the model before TensorFlow is imported.
    model = source.load(choice)
    from model_tools.freezing.freeze import optimised  # noqa: PLC0415 - imports TensorFlow

    needed = {node.name for node in model.graph.node}
    strays = [node.name for node in source.nodes() if node.name not in needed]
    graph, inputs, outputs = optimised(model)
    if tensorboard is not None:
        _write_for_tensorboard(graph, tensorboard)
    ops = Counter(node.op for node in graph.node)
    sizes = list(_constant_sizes(graph))
    return Inspection(
        format=source.format_name,
        signatures=_signatures(source),
        inputs=model.inputs,
        outputs=outputs,
        parameters=sum(count for count, _ in sizes),
        size_bytes=sum(size for _, size in sizes),
        flops=_flops(graph, inputs, side_px),
        ops=dict(sorted(ops.items(), key=lambda item: (-item[1], item[0]))),
        stray_nodes=len(strays),
        some_stray_nodes=tuple(strays[:_MOST_STRAYS]),
        outside_deeplens_list={op: ops[op] for op in sorted(ops) if op not in DEEPLENS_OPS},
        consumers=_consumers(graph),
    )


def _signatures(source: SourceModel) -> dict[str, dict[str, dict[str, str]]]:
    return {
        key: {
            "inputs": {alias: info.name for alias, info in sorted(signature.inputs.items())},
            "outputs": {alias: info.name for alias, info in sorted(signature.outputs.items())},
        }
        for key, signature in source.signatures().items()
    }


def _constant_sizes(graph: Any) -> Iterable[tuple[int, int]]:
    import tensorflow as tf  # noqa: PLC0415 - takes seconds to import

    for node in graph.node:
        if node.op == "Const":
            tensor = node.attr["value"].tensor
            count = prod(dimension.size for dimension in tensor.tensor_shape.dim)
            kind = tf.dtypes.as_dtype(tensor.dtype)
            yield count if kind.is_floating else 0, count * (kind.size or 1)


def _consumers(graph: Any) -> dict[str, str | None]:
    from model_tools.errors import FreezeError  # noqa: PLC0415 - only used here
    from model_tools.freezing.target_runtime import (  # noqa: PLC0415 - imports TensorFlow
        TargetRuntime,
        rewrite_for,
    )

    reasons: dict[str, str | None] = {}
    for target in TargetRuntime:
        copy = type(graph)()
        copy.CopyFrom(graph)
        try:
            rewrite_for(copy, target, compiles=False)
            reasons[target.value] = None
        except FreezeError as error:
            reasons[target.value] = str(error)
    return reasons


def _flops(graph: Any, inputs: dict[str, TensorSpec], side_px: int) -> int | None:
    from model_tools.formats.tensors import sample_inputs  # noqa: PLC0415 - only used here

    samples = sample_inputs(inputs, 0, side_px)
    shapes = {spec.name: (spec.dtype, samples[alias].shape) for alias, spec in inputs.items()}
    return _count_flops(graph, shapes)


def flops_of(graph: Path, tensor: str, dtype: str, shape: tuple[int, ...]) -> int | None:
    """Count the floating-point operations of one run of a frozen graph, in a limited process.

    Args:
        graph: a serialized GraphDef.
        tensor: name of the input.
        dtype: name of the input's NumPy dtype.
        shape: shape of the input.

    Returns:
        The number, or None if TensorFlow cannot run the graph.
    """
    limits = Limits.for_files(graph)
    return isolated(_flops_of_file, graph, {tensor: (dtype, shape)}, limits=limits)


def _flops_of_file(graph: Path, shapes: dict[str, tuple[str, tuple[int, ...]]]) -> int | None:
    return _count_flops(read_message(graph, "GraphDef"), shapes)


def _count_flops(graph: Any, shapes: dict[str, tuple[str, tuple[int, ...]]]) -> int | None:
    """Count FLOPs with TensorFlow's profiler; return None if TensorFlow cannot run the graph."""
    import numpy as np  # noqa: PLC0415 - only used here
    import tensorflow as tf  # noqa: PLC0415 - takes seconds to import

    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    with tf.Graph().as_default() as imported:
        fed = {
            node_name(tensor): tf.compat.v1.placeholder(np.dtype(dtype), shape)
            for tensor, (dtype, shape) in shapes.items()
        }
        try:
            tf.import_graph_def(graph, input_map=fed, name="")
            counted = profiler.profile(imported, options=options.with_empty_output().build())
        except (ValueError, tf.errors.OpError):
            return None
    return int(counted.total_float_ops) if counted else None


def _write_for_tensorboard(graph: Any, folder: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415 - takes seconds to import

    with tf.Graph().as_default():
        writer = tf.compat.v1.summary.FileWriter(str(folder), graph_def=graph)
        writer.close()
