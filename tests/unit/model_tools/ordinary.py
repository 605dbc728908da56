"""Typical saved models: compiled, trained for a few steps, and saved with one call.

Each function writes a model, and returns its path with the framework's outputs for `pictures()`. A
network is trained once per process, because no test changes it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from model_tools.graph.messages import message_class

v1 = tf.compat.v1
SIDE_PX = 16
CLASSES = 3

layers = keras.layers


@dataclass(frozen=True)
class Ordinary:
    """A saved model, and its framework's outputs by name."""

    path: Path
    answers: dict[str, npt.NDArray[Any]]


def pictures() -> npt.NDArray[np.float32]:
    random = np.random.default_rng(7)
    return random.uniform(0, 255, (4, SIDE_PX, SIDE_PX, 3)).astype(np.float32)


def trained(model: Any) -> Any:
    """Return a model after compiling and training it for two epochs."""
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(pictures(), np.arange(4) % CLASSES, epochs=2, verbose=0)
    return model


def _layers(*, augmented: bool) -> list[Any]:
    augmentation = [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.1),
        layers.RandomContrast(0.1),
    ]
    return [
        *(augmentation if augmented else []),
        layers.Rescaling(1 / 255),
        layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.GlobalAveragePooling2D(),
        layers.Dense(CLASSES, activation="softmax", name="scores"),
    ]


@cache
def sequential(*, augmented: bool = False, lazy: bool = False) -> Any:
    start = [] if lazy else [keras.Input((SIDE_PX, SIDE_PX, 3))]
    return trained(keras.Sequential([*start, *_layers(augmented=augmented)]))


@cache
def functional() -> Any:
    start = keras.Input((SIDE_PX, SIDE_PX, 3), name="image")
    value = start
    for layer in _layers(augmented=False):
        value = layer(value)
    return trained(keras.Model(start, value))


@cache
def nested() -> Any:
    """Return a compiled network that contains a network, as in transfer learning."""
    base = keras.Sequential([keras.Input((SIDE_PX, SIDE_PX, 3)), layers.Conv2D(4, 3)])
    base.compile("adam", "mse")
    return trained(
        keras.Sequential(
            [base, layers.GlobalAveragePooling2D(), layers.Dense(CLASSES, activation="softmax")]
        )
    )


@cache
def arithmetic() -> Any:
    """Return a network with arithmetic operations between its layers."""
    start = keras.Input((SIDE_PX, SIDE_PX, 3), name="image")
    value = layers.Conv2D(4, 3)(start / 127.5 - 1.0)
    value = value * keras.ops.sigmoid(value) + value[:, :, :, ::-1]
    value = keras.ops.mean(value, axis=(1, 2))
    return trained(keras.Model(start, layers.Dense(CLASSES, activation="softmax")(value)))


@cache
def grouped() -> Any:
    """Return a network with the grouped convolutions of ResNeXt and ConvNeXt."""
    image = keras.Input((SIDE_PX, SIDE_PX, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = layers.Conv2D(8, 3, padding="same", groups=4)(x)
    x = layers.Conv2D(8, 7, padding="same", groups=8)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return trained(keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x)))


@cache
def two_outputs() -> Any:
    """Return a network with two named outputs."""
    start = keras.Input((SIDE_PX, SIDE_PX, 3), name="image")
    value = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(start))
    scores = layers.Dense(CLASSES, activation="softmax", name="scores")(value)
    model = keras.Model(start, {"scores": scores, "size": layers.Dense(1, name="size")(value)})
    model.compile("adam", {"scores": "sparse_categorical_crossentropy", "size": "mse"})
    labels = {"scores": np.arange(4) % CLASSES, "size": np.ones((4, 1), np.float32)}
    model.fit(pictures(), labels, verbose=0)
    return model


def network(build: Callable[..., Any], **options: Any) -> Any:
    """Return a network of keras.applications without pretrained weights."""
    side = max(32, SIDE_PX)
    return build(input_shape=(side, side, 3), weights=None, classes=CLASSES, **options)


def saved(model: Any, file: Path) -> Ordinary:
    model.save(file)
    return Ordinary(file, answers(model))


def answers(model: Any) -> dict[str, npt.NDArray[Any]]:
    side = model.input_shape[1]
    given = np.resize(pictures(), (4, side, side, 3))
    answer = model.predict(given, verbose=0)
    return answer if isinstance(answer, dict) else {"": answer}


@cache
def teachable() -> Any:
    """Return a network like those of Teachable Machine, with three levels of nested networks."""
    start = keras.Input((SIDE_PX, SIDE_PX, 3), name="input_1")
    # In a file of Keras 2, these two layers are TensorFlow functions.
    value = layers.Rescaling(1 / 127.5, 0.0, name="tf.math.truediv")(start)
    value = layers.Rescaling(1.0, -1.0, name="tf.math.subtract")(value)
    value = layers.Conv2D(4, 3, strides=2, padding="same", name="conv_1")(value)
    value = layers.DepthwiseConv2D(3, padding="same", name="depthwise_1")(value)
    value = layers.BatchNormalization(name="norm")(value)
    value = layers.SeparableConv2D(4, 3, name="separable")(value)
    base = keras.Model(start, value, name="base")
    features = keras.Sequential(
        [keras.Input((SIDE_PX, SIDE_PX, 3)), base, layers.GlobalAveragePooling2D()]
    )
    head = keras.Sequential([keras.Input((4,)), layers.Dense(CLASSES, activation="softmax")])
    model = keras.Sequential(
        [keras.Input((SIDE_PX, SIDE_PX, 3)), layers.RandomFlip(), features, head]
    )
    return trained(model)


def as_keras_2(file: Path) -> None:
    """Rewrite the configuration of an .h5 file as Keras 2.15 writes it."""
    with h5py.File(file, "r+") as opened:
        config = json.loads(opened.attrs["model_config"])
        opened.attrs["model_config"] = json.dumps(_old(config)).encode()
        opened.attrs["keras_version"] = b"2.15.0"


def _old(value: Any) -> Any:
    if isinstance(value, list):
        return [_old(item) for item in value]
    if not isinstance(value, dict):
        return value
    old = {key: _old(item) for key, item in value.items()}
    return _old_form(old) if isinstance(old.get("config"), dict) else old


def _old_form(old: dict[str, Any]) -> dict[str, Any]:
    name, config = old.get("class_name"), old["config"]
    if "dtype" in config:
        config["dtype"] = "float32"
    if "batch_shape" in config:
        config["batch_input_shape"] = config.pop("batch_shape")
    if name in {"DepthwiseConv2D", "SeparableConv2D"}:
        kernel = {"kernel_initializer": None, "kernel_regularizer": None, "kernel_constraint": None}
        config |= {"groups": 1} | (kernel if name == "SeparableConv2D" else {})
    elif name == "BatchNormalization":
        config["axis"] = [3]
        for argument in ("renorm", "virtual_batch_size", "synchronized"):
            config.pop(argument, None)
    elif name == "RandomFlip":
        config["rng_type"] = "stateful"
    elif name == "Functional":
        old |= {"module": "keras.src.engine.functional", "registered_name": "Functional"}
        for key in ("input_layers", "output_layers"):
            config[key] = [config[key]] if isinstance(config[key][0], str) else config[key]
        config["layers"] = [_old_layer(layer) for layer in config["layers"]]
        renamed: dict[str, Any] = json.loads(
            json.dumps(old).replace("depthwise_1", "block/depthwise")
        )
        return renamed
    return old


def _old_layer(layer: dict[str, Any]) -> dict[str, Any]:
    """Return a layer in Keras 2's format: its inputs, and TFOpLambda for a TensorFlow function."""
    sources = [
        [*argument["config"]["keras_history"], {}]
        for node in layer["inbound_nodes"]
        if isinstance(node, dict)
        for argument in node["args"]
    ]
    layer["inbound_nodes"] = [sources] if sources else []
    if layer["name"].startswith("tf."):
        number = 127.5 if layer["name"].endswith("truediv") else 1.0
        sources[0][3] = {"y": number, "name": None}
        layer["class_name"] = "TFOpLambda"
        layer["config"] = {
            "name": layer["name"],
            "trainable": True,
            "dtype": "float32",
            "function": layer["name"].removeprefix("tf."),
        }
        layer["inbound_nodes"] = sources
    return layer


def exported(model: Any, folder: Path) -> Ordinary:
    """Export a model as Keras 3 does; return the folder and the exported function's outputs."""
    model.export(folder, verbose=False)
    # TensorFlow would delete the variables without a reference to this module.
    loaded = tf.saved_model.load(str(folder))
    answer = loaded.serve(pictures())
    flat = answer if isinstance(answer, dict) else {"": answer}
    return Ordinary(folder, {key: np.asarray(value) for key, value in flat.items()})


class _WithSlots(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(np.linspace(-1, 1, 9, dtype=np.float32).reshape(3, 3))
        self.momentum = tf.Variable(tf.zeros_like(self.kernel))
        self.optimizer = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, SIDE_PX, SIDE_PX, 3], tf.float32, "image")])
    def answer(self, image: Any) -> Any:
        values = tf.reduce_mean(image, [1, 2]) @ self.kernel / 255.0
        return {"scores": tf.nn.softmax(values), "size": tf.reduce_sum(values, 1)}


def with_slots(folder: Path) -> Ordinary:
    """Write a SavedModel with an optimizer slot, as Keras 2 wrote it."""
    module = _WithSlots()
    tf.saved_model.save(module, str(folder), signatures=module.answer)
    file = folder / "saved_model.pb"
    saved = message_class("SavedModel").FromString(file.read_bytes())
    (meta,) = saved.meta_graphs
    objects = meta.object_graph_def.nodes
    ids = {child.local_name: child.node_id for child in objects[0].children}
    objects[ids["optimizer"]].slot_variables.add(
        original_variable_node_id=ids["kernel"],
        slot_name="momentum",
        slot_variable_node_id=ids["momentum"],
    )
    file.write_bytes(saved.SerializeToString())
    answer = module.answer(tf.constant(pictures()))
    return Ordinary(folder, {key: np.asarray(value) for key, value in answer.items()})


class _WithState(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(np.linspace(-1, 1, 9, dtype=np.float32).reshape(3, 3))
        self.calls = tf.Variable(0.0)

    @tf.function(input_signature=[tf.TensorSpec([None, SIDE_PX, SIDE_PX, 3], tf.float32, "image")])
    def unused(self, image: Any) -> Any:
        self.calls.assign_add(1.0)
        return {"scores": tf.nn.softmax(tf.reduce_mean(image, [1, 2]) @ self.kernel / 255.0)}

    @tf.function(input_signature=[tf.TensorSpec([None, SIDE_PX, SIDE_PX, 3], tf.float32, "image")])
    def used(self, image: Any) -> Any:
        self.calls.assign_add(1.0)
        return {"scores": tf.reduce_mean(image, [1, 2]) @ self.kernel * self.calls}


def with_state(folder: Path, *, used: bool = False) -> Ordinary:
    """Write a SavedModel that counts its calls; if `used` is true, outputs depend on the count."""
    module = _WithState()
    function = module.used if used else module.unused
    tf.saved_model.save(module, str(folder), signatures=function)
    answer = function(tf.constant(pictures()))
    return Ordinary(folder, {key: np.asarray(value) for key, value in answer.items()})


class _Bytes(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([], tf.string, "image_bytes")])
    def encoded(self, image_bytes: Any) -> Any:
        pixels = tf.io.decode_jpeg(image_bytes, channels=3)
        return {"mean": tf.reduce_mean(tf.cast(pixels, tf.float32))}

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.float32, "image")])
    def camera(self, image: Any) -> Any:
        return {"mean": tf.reduce_mean(image)}


def with_bytes(folder: Path) -> Path:
    """Write a SavedModel whose default signature accepts encoded images, as for a server."""
    module = _Bytes()
    signatures = {"serving_default": module.encoded, "camera": module.camera}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def without_signature(folder: Path) -> Path:
    """Write a SavedModel without a signature."""
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, str(folder))
    return folder


def training_checkpoint(folder: Path) -> Ordinary:
    """Train with TensorFlow 1's Adam, and save a checkpoint with an empty prefix."""
    folder.mkdir()
    with tf.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.float32, [None, SIDE_PX, SIDE_PX, 3], name="image")
        labels = v1.placeholder(tf.int32, [None], name="labels")
        kernel = v1.get_variable(
            "kernel", [3, CLASSES], initializer=v1.random_normal_initializer(seed=1)
        )
        logits = tf.matmul(tf.reduce_mean(image, [1, 2]) / 255.0, kernel)
        scores = tf.nn.softmax(logits, name="scores")
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        step = v1.train.AdamOptimizer().minimize(tf.reduce_mean(losses, name="loss"))
        session.run(v1.global_variables_initializer())
        given = {image: pictures(), labels: np.arange(4) % CLASSES}
        session.run(step, given)
        v1.train.Saver().save(session, f"{folder}/")
        return Ordinary(folder, {"scores": session.run(scores, given)})


def with_thresholds(file: Path) -> Ordinary:
    """Write a frozen graph with an image, a vector and an array of one number as inputs."""
    with tf.Graph().as_default() as graph, v1.Session() as session:
        image = v1.placeholder(tf.float32, [None, SIDE_PX, SIDE_PX, 3], name="image")
        thresholds = v1.placeholder(tf.float32, [3], name="thresholds")
        factor = v1.placeholder(tf.float32, [1], name="factor")
        scores = tf.multiply(tf.reduce_mean(image, [1, 2]) * thresholds, factor, name="scores")
        file.write_bytes(graph.as_graph_def().SerializeToString())
        given = {image: pictures(), thresholds: [0.6, 0.7, 0.8], factor: [0.5]}
        return Ordinary(file, {"scores": session.run(scores, given)})


def in_bfloat16(file: Path) -> Ordinary:
    """Save a Keras model with weights and arithmetic of type bfloat16."""
    keras.config.set_dtype_policy("bfloat16")
    try:
        start = keras.Input((SIDE_PX, SIDE_PX, 3), name="image")
        value = layers.Rescaling(1 / 255)(start)
        value = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(value))
        model = keras.Model(start, layers.Dense(CLASSES, activation="softmax")(value))
        model.save(file)
        answer = np.asarray(model(pictures(), training=False), np.float32)
        return Ordinary(file, {"": answer})
    finally:
        keras.config.set_dtype_policy("float32")


def fused(file: Path) -> Path:
    """Write a frozen graph with an operation that only TensorFlow's optimizer creates."""
    with tf.Graph().as_default() as graph:
        v1.placeholder(tf.float32, [1, 8, 8, 3], name="image")
        tf.constant(np.ones((3, 3, 3, 2), np.float32), name="kernel")
        tf.constant(np.ones(2, np.float32), name="bias")
        definition = graph.as_graph_def()
    node = definition.node.add(name="y", op="_FusedConv2D", input=["image", "kernel", "bias"])
    node.attr["T"].type = 1
    node.attr["num_args"].i = 1
    node.attr["TArgs"].list.type.append(1)
    node.attr["strides"].list.i.extend([1, 1, 1, 1])
    node.attr["padding"].s = b"SAME"
    node.attr["fused_ops"].list.s.append(b"BiasAdd")
    file.write_bytes(definition.SerializeToString())
    return file
