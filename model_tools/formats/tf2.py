"""Load the formats of TensorFlow 2 and Keras 3, whose signatures are functions."""

import gc
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, count
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from model_tools.errors import RefusedError, SourceError
from model_tools.formats.keras_2 import alternative
from model_tools.formats.keras_config import content_bytes, read_config, usable_file
from model_tools.formats.signatures import Choice, chosen_keys, chosen_signature
from model_tools.formats.tensors import Arrays, LoadedModel, TensorSpec
from model_tools.formats.trimming import loadable

_ERROR_LINE = re.compile(r"\s*\w+(Error|Exception): ")

# The bytes of weights that layers may declare in addition to `_MOST_DECLARED` times the file's
# content. The allowance covers compressed weights, and layers whose weights are not in the file.
_LEAST_DECLARED_BYTES = 16 << 20
_MOST_DECLARED = 4
# Matches a valid name of a scope. Source: tf.Graph.name_scope.
_SCOPE_NAME = re.compile(r"[A-Za-z0-9_.\\/>-]+")


def load_saved_model(path: Path, choice: Choice) -> LoadedModel:
    """Load a checked SavedModel of TensorFlow 2.

    Raises:
        SourceError: the model cannot be loaded, or has no such signature or output.
        AmbiguousError: a signature must be chosen.
    """
    try:
        with loadable(path) as folder:
            loaded = tf.saved_model.load(str(folder), tags=list(choice.tags))
    except (OSError, ValueError, RuntimeError, AttributeError, tf.errors.OpError) as error:
        raise SourceError(f"{path} cannot be loaded: {_first_line(error)}") from None
    key = chosen_signature(choice.signature, sorted(loaded.signatures))
    model = _loaded(loaded.signatures[key], owner=loaded)
    chosen = chosen_keys(choice.outputs, list(model.outputs))
    outputs = {alias: model.outputs[key] for alias, key in chosen.items()}

    def run(arrays: Arrays) -> Arrays:
        answer = model.run(arrays)
        return {alias: answer[key] for alias, key in chosen.items()}

    return replace(model, outputs=outputs, run=run)


def load_keras(path: Path, choice: Choice) -> LoadedModel:
    """Load a checked .keras or .h5 file for inference (training=False).

    Raises:
        SourceError: the file cannot be loaded, or does not have an output of the choice.
        RefusedError: the file violates a rule for untrusted files.
    """
    import keras  # noqa: PLC0415 - only these formats need it

    try:
        with usable_file(path) as file:
            _require_content(keras, path)
            model = keras.models.load_model(file, compile=False, safe_mode=True)
        return from_keras(model, choice)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        cause = _keras_cause(error)
        if read_config(path).is_keras_2:
            raise SourceError(
                f"{path} was saved by Keras 2, and Keras 3 cannot build it: {cause}; "
                f"{alternative()}"
            ) from None
        raise SourceError(
            f"{path} cannot be loaded: {cause}; where it was trained, save it with "
            "model.save('model.keras') or model.export('folder')"
        ) from None


def _require_content(keras: Any, file: Path) -> None:
    """Check that a file's layers do not declare far more weights than the file contains.

    Raises:
        RefusedError: the file breaks the rule keras-weights.
    """
    config = read_config(file).usable
    try:
        # In this scope, variables use no memory.
        with keras.StatelessScope(initialize_variables=False):
            model = _built(keras, config)
        declared = sum(
            prod(weight.shape) * np.dtype(weight.dtype).itemsize for weight in model.weights
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        # If Keras cannot build the configuration, the later load reports the error.
        return
    finally:
        # Keras numbers the names of layers; without this call, the next model's names would differ.
        keras.utils.clear_session()
    contained = content_bytes(file)
    if declared > _LEAST_DECLARED_BYTES + _MOST_DECLARED * contained:
        raise RefusedError(
            "keras-weights",
            f"the layers of {file.name} declare {declared} bytes of weights, and it contains "
            f"{contained} bytes",
        )


def _built(keras: Any, config: Any) -> Any:
    """Return the model of a checked configuration."""
    if "module" in config:
        return keras.saving.deserialize_keras_object(config, safe_mode=True)
    # In an .h5 file, the configuration names classes without their modules.
    model_class = keras.Sequential if config["class_name"] == "Sequential" else keras.Model
    return model_class.from_config(config["config"])


def from_keras(model: Any, choice: Choice | None = None) -> LoadedModel:
    """Trace a Keras model in memory.

    Raises:
        SourceError: the model was not built, lacks a chosen output, or has a name that is not valid
            in TensorFlow.
    """
    import keras  # noqa: PLC0415 - only these formats need it

    if isinstance(model, keras.Sequential):
        if not model.built:
            raise SourceError(
                "the Sequential model has no input shape: begin it with keras.Input((height, "
                "width, 3)), or call it once, and save it again"
            )
        # A Sequential model has no output names, but a functional model does.
        model = keras.Model(model.inputs, model.outputs)
    specs = [
        tf.TensorSpec(tensor.shape, tensor.dtype, name=_plain(tensor.name))
        for tensor in model.inputs
    ]
    keys = _output_keys(model)
    # An error during the trace would contain a traceback, so the outputs are checked earlier.
    chosen = chosen_keys(choice.outputs if choice else (), keys)
    for item in (model, *model.layers):
        if not _SCOPE_NAME.fullmatch(item.name):
            # Keras would fail during the trace, and leave the scope open.
            raise SourceError(
                f"{item.name!r} is not a valid name for TensorFlow: expected letters, digits and "
                "_ . / > -; rename the model or layer where it was trained, and save it again"
            )

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def predict(*tensors: Any) -> dict[str, Any]:
        packed = tf.nest.pack_sequence_as(model.input, tensors)
        answer = model(packed, training=False)
        flat = dict(zip(keys, tf.nest.flatten(answer), strict=True))
        return {alias: flat[key] for alias, key in chosen.items()}

    # Without eager functions, Keras compiles grouped convolutions with XLA, which other engines
    # cannot read.
    tf.config.run_functions_eagerly(run_eagerly=True)
    try:
        concrete = predict.get_concrete_function()
    finally:
        tf.config.run_functions_eagerly(run_eagerly=False)
    return _loaded(concrete, owner=model)


def _output_keys(model: Any) -> list[str]:
    """Return a key per output: the keys of a dict, or layer names, numbered if repeated."""
    structure = model.output
    is_flat = isinstance(structure, dict) and len(structure) == len(model.outputs)
    keys: list[str] = []
    for name in map(_plain, sorted(structure) if is_flat else model.output_names):
        candidates = chain([name], (f"{name}_{number}" for number in count(1)))
        keys.append(next(key for key in candidates if key not in keys))
    return keys


def from_function(function: Callable[..., Any], inputs: list[Any]) -> LoadedModel:
    """Trace a function that maps tensors to a dict of tensors.

    Each element of `inputs` is a `tf.TensorSpec` with a name.
    """
    return _loaded(tf.function(function).get_concrete_function(*inputs), owner=function)


def _loaded(concrete: Any, owner: Any) -> LoadedModel:
    """Freeze a ConcreteFunction with inlined functions and the control flow of TensorFlow 1."""
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=True)
    # Signatures have keyword arguments, but functions of this project have positional arguments.
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
            f"output_{number}": tensor for number, tensor in enumerate(tf.nest.flatten(structured))
        }
    outputs = {
        key: _spec(tensor) for key, tensor in zip(sorted(structured), frozen.outputs, strict=True)
    }

    def run(arrays: Arrays) -> Arrays:
        _ = owner  # a reference, so that its variables are not deleted
        tensors = {
            alias: tf.cast(value, inputs[alias].dtype)
            if inputs[alias].dtype == "bfloat16"
            else tf.constant(value)
            for alias, value in arrays.items()
        }
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
    # The reference cycles of `frozen` would retain a copy of every weight.
    del frozen
    gc.collect()
    return LoadedModel(graph, inputs, outputs, run)


def _plain(name: str) -> str:
    """Return a valid node name for a tensor such as `dense/out:0`."""
    return name.partition(":")[0].replace("/", "_")


def _spec(tensor: Any) -> TensorSpec:
    shape = tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else None
    return TensorSpec(tensor.name, np.dtype(tensor.dtype.as_numpy_dtype).name, shape)


def _keras_cause(error: Exception) -> str:
    """Return the reason why Keras could not build a configuration, from the end of its message."""
    _, separator, cause = str(error).rpartition("Exception encountered: ")
    return (cause.strip().splitlines() or [""])[0][:300] if separator else _first_line(error)


def _first_line(error: Exception) -> str:
    lines = (str(error).strip() or type(error).__name__).splitlines()
    if lines[0] == "in user code:":  # AutoGraph's traceback precedes the error.
        lines = [line for line in lines if _ERROR_LINE.match(line)] or lines
    return lines[0].strip()[:300]
