"""Load the formats of TensorFlow 1: SavedModels, checkpoints and frozen graphs.

The models run in a `tf.compat.v1.Session`, in which tensors have the names that the author chose.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from model_tools.errors import SourceError
from model_tools.formats.checked_graph import VARIABLES, CheckedGraph
from model_tools.formats.signatures import Choice
from model_tools.formats.tensors import Arrays, LoadedModel, TensorSpec
from model_tools.graph.queries import node_name, shape_of, subgraph

v1 = tf.compat.v1


def load_saved_model(folder: Path, choice: Choice, checked: CheckedGraph) -> LoadedModel:
    """Load a SavedModel of TensorFlow 1.

    Raises:
        SourceError: TensorFlow cannot load the model, or a weight is missing.
    """
    session = v1.Session(graph=tf.Graph())
    try:
        with session.graph.as_default():
            v1.saved_model.loader.load(session, list(choice.tags), str(folder))
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        raise SourceError(f"{folder} cannot be loaded: {_first_line(error)}") from None
    return _loaded(session, checked)


def load_checkpoint(prefix: Path, checked: CheckedGraph) -> LoadedModel:
    """Load a graph (.meta or .pbtxt) with the weights of a checkpoint.

    Weights are assigned by the names of the variables that the outputs need. Therefore, a .meta
    file without variable collections, as the Object Detection API exports it, can be loaded.

    Raises:
        SourceError: TensorFlow cannot load the files, or a weight is missing.
    """
    session = _session_of(checked.graph, prefix)
    _assign(session, checked.graph, prefix)
    return _loaded(session, checked)


def load_frozen(file: Path, checked: CheckedGraph) -> LoadedModel:
    """Load a graph without variables.

    Raises:
        SourceError: TensorFlow cannot load the graph.
    """
    return _loaded(_session_of(checked.graph, file), checked)


def _loaded(session: Any, checked: CheckedGraph) -> LoadedModel:
    feeds = {alias: _tensor(session, tensor) for alias, tensor in checked.inputs.items()}
    fetches = {alias: _tensor(session, tensor) for alias, tensor in checked.outputs.items()}
    # A SavedModel must be fed with the constants; the graph of a checkpoint already contains them.
    fixed = {
        tensor: np.reshape(value, shape_of(tensor.op.node_def, len(value)))
        for name, value in checked.constants
        if (tensor := _tensor(session, f"{name}:0")).op.type != "Const"
    }
    outputs = checked.outputs.values()
    needed = subgraph(checked.graph, outputs)
    if any(node.op in VARIABLES for node in needed.node):
        try:
            needed = v1.graph_util.convert_variables_to_constants(
                session, needed, sorted({node_name(tensor) for tensor in outputs})
            )
        except (tf.errors.OpError, ValueError) as error:
            raise SourceError(f"a variable has no value: {_first_line(error)}") from None
    needed = subgraph(needed, outputs, checked.inputs.values())

    def run(arrays: Arrays) -> Arrays:
        feed = {feeds[alias]: value for alias, value in arrays.items()} | fixed
        try:
            return dict(session.run(fetches, feed))
        except (tf.errors.OpError, ValueError) as error:
            raise SourceError(f"the model does not run: {_first_line(error)}") from None

    return LoadedModel(
        graph=needed,
        inputs={alias: _spec(tensor) for alias, tensor in feeds.items()},
        outputs={alias: _spec(tensor) for alias, tensor in fetches.items()},
        run=run,
    )


def _session_of(graph_def: Any, origin: Path) -> Any:
    graph = tf.Graph()
    try:
        with graph.as_default():
            tf.import_graph_def(graph_def, name="")
    except (ValueError, tf.errors.OpError) as error:
        raise SourceError(f"{origin} cannot be imported: {_first_line(error)}") from None
    return v1.Session(graph=graph)


def _assign(session: Any, graph_def: Any, prefix: Path) -> None:
    try:
        reader = tf.train.load_checkpoint(str(prefix))
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise SourceError(f"{prefix} is not a checkpoint: {_first_line(error)}") from None
    with session.graph.as_default():
        for node in graph_def.node:
            if node.op not in VARIABLES:
                continue
            key = node.attr["shared_name"].s.decode() or node.name
            if not reader.has_tensor(key):
                raise SourceError(f"{prefix} has no weights for the variable {key!r}")
            value = reader.get_tensor(key)
            variable = session.graph.get_tensor_by_name(f"{node.name}:0")
            fed = v1.placeholder(value.dtype, value.shape)
            assign = (
                tf.raw_ops.AssignVariableOp(resource=variable, value=fed)
                if node.op == "VarHandleOp"
                else tf.raw_ops.Assign(ref=variable, value=fed)
            )
            session.run(assign, {fed: value})
            read = f"{node.name}/Read/ReadVariableOp"
            if node.op == "VarHandleOp" and read not in {other.name for other in graph_def.node}:
                # The conversion to constants requires a read operation with this name.
                tf.raw_ops.ReadVariableOp(resource=variable, dtype=value.dtype, name=read)


def _tensor(session: Any, name: str) -> Any:
    try:
        return session.graph.get_tensor_by_name(name)
    except (KeyError, ValueError):
        raise SourceError(f"the graph has no tensor {name!r}") from None


def _spec(tensor: Any) -> TensorSpec:
    shape = tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else None
    dtype = np.dtype(tensor.dtype.base_dtype.as_numpy_dtype)
    return TensorSpec(tensor.name, dtype.name, shape)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
