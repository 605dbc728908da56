"""What a model is made of: inputs, outputs, ops, parameters, FLOPs, and who could read it."""

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from model_tools.formats.checked_graph import check_files, check_keras
from model_tools.formats.detect import Kind, ModelFiles, find_model, read_message
from model_tools.formats.signatures import Choice
from model_tools.formats.tensors import TensorSpec
from model_tools.graph.names import node_name
from model_tools.sandbox import Limits, isolated

# Layers that the AWS DeepLens Developer Guide lists for TensorFlow models.
DEEPLENS_OPS = frozenset(
    """
    Add AvgPool BatchToSpaceND BiasAdd Const Conv2D Conv2DBackpropInput Identity Maximum MaxPool
    Mean Mul Neg Pad Placeholder Prod RandomUniform Range Relu Reshape Rsqrt Shape Softmax
    SpaceToBatchND Square Squeeze StopGradient Sub Sum Tile
    """.split()  # noqa: SIM905 - a list of ninety quotes reads worse
)

_MOST_STRAYS = 20


@dataclass(frozen=True)
class Inspection:
    """A model as it came, and what freezing would make of it."""

    format: str
    # By signature key, each with its inputs and outputs; empty for graphs without one.
    signatures: dict[str, dict[str, dict[str, str]]]
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    parameters: int
    # Of the constants that the outputs need.
    size_bytes: int
    # Floating-point operations of one run, outside loops; a multiply-add counts as two.
    flops: int | None
    # Of the frozen, optimised graph.
    ops: dict[str, int]
    # Nodes of the file that no output needs: how many, and some of them.
    stray_nodes: int
    some_stray_nodes: tuple[str, ...]
    # Ops, with counts, that the documented list of DeepLens does not have: advice only.
    outside_deeplens_list: dict[str, int]
    # By consumer: nothing, or why it cannot read the graph.
    consumers: dict[str, str | None]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def inspect_model(  # noqa: PLR0913 - each is a choice of the caller's
    source: Path,
    choice: Choice,
    *,
    checkpoint: Path | None = None,
    side_px: int = 224,
    tensorboard: Path | None = None,
    limits: Limits | None = None,
) -> Inspection:
    """Look at a model without keeping anything of it.

    Args:
        source: a model in any format that is read.
        choice: signature, inputs and outputs.
        checkpoint: prefix of the weights of a .pbtxt graph.
        side_px: height and width for FLOPs, where the model leaves them open.
        tensorboard: a folder to write the graph to, for TensorBoard.
        limits: of the process that runs TensorFlow.

    Raises:
        ModelToolsError: see `model_tools.errors`.
    """
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        files = find_model(source, Path(workspace), checkpoint)
        check_keras(files, choice)
        limits = limits or Limits.for_files(*files.paths)
        return isolated(_inspect, files, choice, side_px, tensorboard, limits=limits)


def _inspect(
    files: ModelFiles,
    choice: Choice,
    side_px: int,
    tensorboard: Path | None,
) -> Inspection:
    # Before TensorFlow is loaded, which takes seconds.
    check_files(files, choice)
    from model_tools.formats.load import load_model  # noqa: PLC0415 - as above
    from model_tools.freezing.freeze import optimised  # noqa: PLC0415 - TensorFlow follows

    model = load_model(files, choice)
    needed = {node.name for node in model.graph.node}
    strays = [node.name for node in _nodes_of_file(files) if node.name not in needed]
    graph, inputs, outputs = optimised(model)
    if tensorboard is not None:
        _write_for_tensorboard(graph, tensorboard)
    ops = Counter(node.op for node in graph.node)
    sizes = list(_constant_sizes(graph))
    return Inspection(
        format=files.kind.value,
        signatures=_signatures(files),
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


def _nodes_of_file(files: ModelFiles) -> Iterable[Any]:
    if files.kind is Kind.FROZEN:
        return read_message(files.path, "GraphDef").node  # type: ignore[no-any-return]
    if files.graph is not None and files.graph.suffix == ".meta":
        return read_message(files.graph, "MetaGraphDef").graph_def.node  # type: ignore[no-any-return]
    return ()


def _signatures(files: ModelFiles) -> dict[str, dict[str, dict[str, str]]]:
    if files.kind not in {Kind.SAVED_MODEL_1, Kind.SAVED_MODEL_2}:
        return {}
    saved = read_message(files.path / "saved_model.pb", "SavedModel")
    return {
        key: {
            "inputs": {alias: info.name for alias, info in sorted(signature.inputs.items())},
            "outputs": {alias: info.name for alias, info in sorted(signature.outputs.items())},
        }
        for meta in saved.meta_graphs
        for key, signature in sorted(meta.signature_def.items())
        if not key.startswith("__")
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
    from model_tools.errors import FreezeError  # noqa: PLC0415 - beside its use
    from model_tools.freezing.target_runtime import Consumer, rewrite_for  # noqa: PLC0415 - as above

    found: dict[str, str | None] = {}
    for consumer in Consumer:
        copy = type(graph)()
        copy.CopyFrom(graph)
        try:
            rewrite_for(copy, consumer, compiles=False)
            found[consumer.value] = None
        except FreezeError as error:
            found[consumer.value] = str(error)
    return found


def _flops(graph: Any, inputs: dict[str, TensorSpec], side_px: int) -> int | None:
    from model_tools.formats.tensors import sample_inputs  # noqa: PLC0415 - beside its use

    samples = sample_inputs(inputs, 0, side_px)
    shapes = {spec.name: (spec.dtype, samples[alias].shape) for alias, spec in inputs.items()}
    return _count_flops(graph, shapes)


def flops_of(graph: Path, tensor: str, dtype: str, shape: tuple[int, ...]) -> int | None:
    """Count the floating-point operations of one run of a frozen graph, in a limited process.

    Args:
        graph: a serialised GraphDef.
        tensor: name of its input.
        dtype: NumPy's name of the input's type.
        shape: of the input.
    """
    limits = Limits.for_files(graph)
    return isolated(_flops_of_file, graph, {tensor: (dtype, shape)}, limits=limits)


def _flops_of_file(graph: Path, shapes: dict[str, tuple[str, tuple[int, ...]]]) -> int | None:
    return _count_flops(read_message(graph, "GraphDef"), shapes)


def _count_flops(graph: Any, shapes: dict[str, tuple[str, tuple[int, ...]]]) -> int | None:
    """Let TensorFlow's profiler count, with every open side fixed; None if it cannot."""
    import numpy as np  # noqa: PLC0415 - beside its use
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
