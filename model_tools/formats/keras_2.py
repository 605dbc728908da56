"""Translate the configuration of a Keras 2 model for Keras 3.

Keras 3 rejects arguments and layers that Keras 2 wrote into every file, although they do not affect
the result. The rule:

    keras-2   Keras 3 can build every layer of a file that Keras 2 saved
"""

from typing import Any

from model_tools.errors import RefusedError

# Arguments that Keras 3 does not have, with their values that have no effect in inference.
_NO_EFFECT: dict[str, dict[str, tuple[Any, ...]]] = {
    "DepthwiseConv1D": {"groups": (1,)},
    "DepthwiseConv2D": {"groups": (1,)},
    "Conv1DTranspose": {"groups": (1,)},
    "Conv2DTranspose": {"groups": (1,)},
    "Conv3DTranspose": {"groups": (1,)},
    "SeparableConv1D": {"groups": (1,)},
    "SeparableConv2D": {"groups": (1,)},
    "SimpleRNN": {"time_major": (False,)},
    "LSTM": {"time_major": (False,), "implementation": (1, 2)},
    "GRU": {"time_major": (False,), "implementation": (1, 2)},
    "RNN": {"time_major": (False,)},
    "Bidirectional": {"time_major": (False,)},
}
# Arguments that only training uses, or that repeat other arguments of the layer.
_TRAINING_ONLY = {"rng_type"}
_KERNEL = {"kernel_initializer", "kernel_regularizer", "kernel_constraint"}
_SEPARABLE = {"SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D"}
_MODULES = {
    "engine.functional": "keras.src.models.functional",
    "engine.sequential": "keras",
    "engine.training": "keras",
    "engine.input_layer": "keras.layers",
}
# Operations by function name. Keras 2 saved arithmetic such as `x / 255.0` as a separate layer that
# names a function.
_FUNCTIONS = {
    "math.truediv": "divide", "math.divide": "divide", "__operators__.truediv": "divide",
    "math.multiply": "multiply", "__operators__.mul": "multiply",
    "math.add": "add", "__operators__.add": "add",
    "math.subtract": "subtract", "__operators__.sub": "subtract",
}  # fmt: skip
_LAYERS = {"add": "Add", "multiply": "Multiply", "subtract": "Subtract"}
_FUNCTION_LAYERS = {"TFOpLambda", "SlicingOpLambda"}

Config = dict[str, Any]


def is_keras_2(version: object) -> bool:
    """Return whether a `keras_version` is older than Keras 3; the oldest files have no version."""
    text = version.decode("utf-8", "replace") if isinstance(version, bytes) else str(version)
    return not text.startswith("3.")


def alternative() -> str:
    """Return the instruction for a Keras 2 model that Keras 3 cannot build."""
    return (
        "where Keras 2 is installed, save it as a SavedModel with tf.saved_model.save(model, "
        "'folder') and give that folder"
    )


def translated(value: Any) -> Any:
    """Return a copy of a Keras 2 configuration, translated for Keras 3.

    Raises:
        RefusedError: keras-2: a layer has no equivalent.
    """
    if isinstance(value, list):
        return [translated(item) for item in value]
    if not isinstance(value, dict):
        return value
    copied = {key: translated(item) for key, item in value.items()}
    if isinstance(copied.get("module"), str):
        copied["module"] = _module(copied["module"])
    if not isinstance(copied.get("class_name"), str):
        return copied
    if copied["class_name"] in _FUNCTION_LAYERS:
        return _without_function(copied)
    return _layer(copied)


def _layer(copied: Config) -> Config:
    class_name, config = copied["class_name"], copied.get("config")
    if class_name == "Sequential":
        # In the oldest format, the configuration is a list of layers.
        layers = config if isinstance(config, list) else (config or {}).get("layers")
        if isinstance(layers, list):
            _start_with_input(layers)
    if not isinstance(config, dict):
        return copied
    _drop_arguments(class_name, config)
    for key in ("input_layers", "output_layers"):
        tensors = config.get(key)
        # Keras 3 would call a nested model with a list, but Keras 2 called it with one tensor.
        if isinstance(tensors, list) and len(tensors) == 1 and isinstance(tensors[0], list):
            config[key] = tensors[0]
    return _without_slashes(copied) if isinstance(config.get("layers"), list) else copied


def _module(name: str) -> str:
    name = name.removeprefix("tf_") if name.startswith("tf_keras.") else name
    short = name.removeprefix("keras.").removeprefix("src.")
    return _MODULES.get(short, name)


def _drop_arguments(class_name: str, config: Config) -> None:
    unused = _TRAINING_ONLY | (_KERNEL if class_name in _SEPARABLE else set())
    for argument in unused & config.keys():
        del config[argument]
    if class_name == "BatchNormalization" and isinstance(config.get("axis"), list):
        (config["axis"],) = config["axis"]
    for argument, values in _NO_EFFECT.get(class_name, {}).items():
        if argument not in config:
            continue
        if config[argument] not in values:
            raise RefusedError(
                "keras-2",
                f"the layer {str(config.get('name'))[:60]!r} ({class_name}) was saved by Keras 2 "
                f"with {argument}={str(config[argument])[:20]}, which Keras 3 cannot build; "
                f"{alternative()}",
            )
        del config[argument]


def _start_with_input(layers: list[Any]) -> None:
    """Add the InputLayer that Keras 3 requires, in place, with the shape from the first layer."""
    for position, layer in enumerate(list(layers)):
        config = layer.get("config") if isinstance(layer, dict) else None
        if not isinstance(config, dict) or layer.get("class_name") == "InputLayer":
            continue
        shape = config.pop("batch_input_shape", None)
        if position == 0 and shape is not None:
            given = {"batch_shape": shape, "dtype": "float32", "name": "input"}
            layers.insert(0, {"class_name": "InputLayer", "config": given})


def _without_slashes(model: Config) -> Config:
    """Rename layers whose name contains a slash, which Keras 3 rejects."""
    names = {
        str(layer["config"]["name"])
        for layer in model["config"]["layers"]
        if isinstance(layer, dict) and isinstance(layer.get("config"), dict)
        if "/" in str(layer["config"].get("name"))
    }
    renamed = {name: name.replace("/", "_") for name in names}
    replaced: Config = _replaced(model, renamed)
    return replaced


def _replaced(value: Any, renamed: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_replaced(item, renamed) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item, renamed) for key, item in value.items()}
    return renamed.get(value, value) if isinstance(value, str) else value


def _without_function(layer: Config) -> Config:
    """Replace a Keras 2 arithmetic function by a layer of Keras 3.

    In `inbound_nodes`, the second operand `y` is a number, [["x", 0, 0, {"y": 255.0}]], or a
    tensor, [["x", 0, 0, {"y": ["z", 0, 0]}]].
    """
    function = layer["config"].get("function") if isinstance(layer["config"], dict) else None
    operation = _FUNCTIONS.get(function) if isinstance(function, str) else None
    name = str(layer.get("name"))
    try:
        ((source, node, tensor, arguments),) = layer["inbound_nodes"]
        other = arguments["y"]
    except (KeyError, TypeError, ValueError):
        operation, other = None, None
    replacement = None
    if operation and source != "_CONSTANT_VALUE":
        first = [source, node, tensor, {}]
        if isinstance(other, int | float):
            replacement = ("Rescaling", _as_scale(operation, other), [[first]])
        elif isinstance(other, list) and operation in _LAYERS:
            replacement = (_LAYERS[operation], {}, [[first, [*other[:3], {}]]])
    if replacement is None:
        raise RefusedError(
            "keras-2",
            f"the layer {name[:60]!r} was saved by Keras 2 as the function {str(function)[:60]}, "
            f"which Keras 3 cannot build; {alternative()}",
        )
    class_name, config, nodes = replacement
    given = {"name": name, "dtype": layer["config"].get("dtype", "float32"), **config}
    return {"class_name": class_name, "config": given, "name": name, "inbound_nodes": nodes}


def _as_scale(operation: str, number: float) -> Config:
    if operation == "divide":
        if number == 0:
            raise RefusedError("keras-2", "a layer divides by zero")
        return {"scale": 1 / number, "offset": 0.0}
    if operation == "multiply":
        return {"scale": number, "offset": 0.0}
    return {"scale": 1.0, "offset": number if operation == "add" else -number}
