"""Models that TensorFlow 2 or Keras 3 wrote: their signatures are functions."""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from model_tools.errors import SourceError
from model_tools.sources.files import ModelFiles
from model_tools.sources.selection import Choice, chosen_signature
from model_tools.sources.tensors import Arrays, LoadedModel, TensorSpec


def load_saved_model(files: ModelFiles, choice: Choice) -> LoadedModel:
    """Load a TensorFlow 2 SavedModel that was checked.

    Raises:
        SourceError, AmbiguousError: it cannot be loaded; a signature must be chosen.
    """
    try:
        loaded = tf.saved_model.load(str(files.path), tags=list(choice.tags))
    except (OSError, ValueError, RuntimeError, AttributeError, tf.errors.OpError) as error:
        raise SourceError(f"{files.path} cannot be loaded: {_first_line(error)}") from None
    key = chosen_signature(choice.signature, sorted(loaded.signatures))
    return _loaded(loaded.signatures[key], keep=loaded)


def load_keras(files: ModelFiles) -> LoadedModel:
    """Load a .keras or .h5 file that was checked, as it predicts (training=False).

    Raises:
        SourceError: it cannot be loaded.
    """
    import keras  # noqa: PLC0415 - only these formats need it

    try:
        model = keras.models.load_model(files.path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceError(f"{files.path} cannot be loaded: {_first_line(error)}") from None
    return from_keras(model)


def from_keras(model: Any) -> LoadedModel:
    """Take a Keras model as it is in memory."""
    specs = [
        tf.TensorSpec(tensor.shape, tensor.dtype, name=_plain(tensor.name))
        for tensor in model.inputs
    ]
    names = [_plain(name) for name in model.output_names]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def predict(*tensors: Any) -> dict[str, Any]:
        answer = model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        return dict(zip(names, tf.nest.flatten(answer), strict=True))

    return _loaded(predict.get_concrete_function(), keep=model)


def from_function(function: Callable[..., Any], inputs: list[Any]) -> LoadedModel:
    """Take a function of tensors, with a `tf.TensorSpec` (named) for each, to a dict of tensors."""
    return _loaded(tf.function(function).get_concrete_function(*inputs), keep=function)


def _loaded(concrete: Any, keep: Any) -> LoadedModel:
    """Freeze a ConcreteFunction: functions are inlined, control flow becomes TensorFlow 1's."""
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=True)
    # Keywords first, as signatures have them; a function of ours has plain arguments.
    positional, keywords = concrete.structured_input_signature
    keys = sorted(keywords) or [spec.name for spec in tf.nest.flatten(positional)]
    aliases = [_plain(key) for key in keys]
    by_name = {_plain(tensor.op.name): tensor for tensor in frozen.inputs}
    inputs = {
        alias: _spec(by_name.get(alias, tensor))
        for alias, tensor in zip(aliases, frozen.inputs, strict=True)
    }
    structured = concrete.structured_outputs
    if not isinstance(structured, dict):
        structured = {
            f"output_{number}": one for number, one in enumerate(tf.nest.flatten(structured))
        }
    outputs = {
        key: _spec(tensor) for key, tensor in zip(sorted(structured), frozen.outputs, strict=True)
    }

    def run(arrays: Arrays) -> Arrays:
        _ = keep  # its variables live as long as this does
        tensors = {alias: tf.constant(value) for alias, value in arrays.items()}
        try:
            answer = concrete(**tensors) if keywords else concrete(*tensors.values())
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise SourceError(f"the model does not run: {_first_line(error)}") from None
        flat = (
            answer
            if isinstance(answer, dict)
            else dict(zip(outputs, tf.nest.flatten(answer), strict=True))
        )
        return {key: np.asarray(value) for key, value in flat.items()}

    graph = frozen.graph.as_graph_def()
    # Its cycles would keep a copy of every weight.
    del frozen
    gc.collect()
    return LoadedModel(graph, inputs, outputs, run)


def _plain(name: str) -> str:
    """`dense/out:0` and such become names that a node of a frozen graph may have."""
    return name.partition(":")[0].replace("/", "_")


def _spec(tensor: Any) -> TensorSpec:
    shape = tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else None
    return TensorSpec(tensor.name, np.dtype(tensor.dtype.as_numpy_dtype).name, shape)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
