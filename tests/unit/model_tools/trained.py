"""Small models in every format that model_tools reads, written by TensorFlow."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
SIDE_PX = 16
CLASSES = 5


def classifier_graph(*, resource: bool = False, phase: str | None = None) -> tuple[Any, Any]:
    """Build convolutions with batch normalization as in TensorFlow 1; return input and output.

    `phase` places the normalization below a `tf.cond` on `is_training`, with control flow "v1" or
    "v2".
    """
    image = v1.placeholder(tf.float32, [None, SIDE_PX, SIDE_PX, 3], name="image")
    x = image
    if phase is not None:
        v1.placeholder_with_default(tf.constant(value=False), [], name="is_training")
    with v1.variable_scope("net", use_resource=resource):
        for number, channels in enumerate((8, 16)):
            kernel = v1.get_variable(
                f"conv{number}/kernel",
                [3, 3, x.shape[-1], channels],
                initializer=v1.random_normal_initializer(stddev=0.3, seed=number),
            )
            x = tf.nn.conv2d(x, kernel, 2, "SAME", name=f"conv{number}/conv")
            x = _normalised(x, channels, number, phase)
            x = tf.nn.relu(x, name=f"conv{number}/relu")
        x = tf.reduce_mean(x, [1, 2], name="pool")
        kernel = v1.get_variable(
            "logits/kernel", [16, CLASSES], initializer=v1.random_normal_initializer(seed=9)
        )
        logits = tf.matmul(x, kernel, name="logits/matmul")
    return image, tf.nn.softmax(logits, name="softmax_tensor")


def _normalised(x: Any, channels: int, number: int, phase: str | None) -> Any:
    def variable(name: str, low: float, high: float) -> Any:
        return v1.get_variable(
            f"norm{number}/{name}",
            [channels],
            initializer=v1.random_uniform_initializer(low, high, seed=number),
        )

    scale, offset = variable("gamma", 0.5, 2), variable("beta", -1, 1)
    mean, variance = variable("mean", -1, 1), variable("variance", 0.2, 3)

    def norm(*, is_training: bool) -> Any:
        given = {} if is_training else {"mean": mean, "variance": variance}
        return v1.nn.fused_batch_norm(
            x, scale, offset, **given, epsilon=1e-3, is_training=is_training
        )[0]

    if phase is None:
        return norm(is_training=False)
    is_training = v1.get_default_graph().get_tensor_by_name("is_training:0")
    return v1.cond(is_training, lambda: norm(is_training=True), lambda: norm(is_training=False))


def in_session(build: Callable[[], tuple[Any, Any]], then: Callable[[Any, Any, Any], None]) -> None:
    """Build a graph, initialize its variables, and call `then` with session, input and output."""
    with tf.Graph().as_default(), v1.Session() as session:
        image, output = build()
        session.run(v1.global_variables_initializer())
        then(session, image, output)


def saved_model_1(folder: Path, **options: Any) -> Path:
    """Write a TensorFlow 1 SavedModel."""

    def save(session: Any, image: Any, output: Any) -> None:
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
        signature = v1.saved_model.signature_def_utils.predict_signature_def(
            {"pixels": image}, {"probabilities": output}
        )
        builder.add_meta_graph_and_variables(
            session, ["serve"], signature_def_map={"serving_default": signature}
        )
        builder.save()

    if options.get("phase") == "v1":
        v1.disable_control_flow_v2()
    try:
        in_session(lambda: classifier_graph(**options), save)
    finally:
        v1.enable_control_flow_v2()
    return folder


def sagemaker_tar(folder: Path) -> Path:
    """Write model.tar.gz with export/Servo/<timestamp>, as a SageMaker training job does."""
    saved_model_1(folder / "export" / "Servo" / "1527887769")
    archive = folder / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder / "export", "export")
    return archive


def checkpoint(folder: Path) -> Path:
    """Write a checkpoint (.meta, .index, .data-*); return its prefix."""
    folder.mkdir(parents=True)

    def save(session: Any, _image: Any, _output: Any) -> None:
        v1.train.Saver().save(session, str(folder / "model.ckpt"))
        tf.io.write_graph(session.graph_def, str(folder), "graph.pbtxt")

    in_session(classifier_graph, save)
    return folder / "model.ckpt"


def keras_model(seed: int = 0) -> Any:
    """Return a Keras 3 classifier whose batch normalization has positive random weights."""
    keras.utils.set_random_seed(seed)
    pixels = keras.Input((SIDE_PX, SIDE_PX, 3), name="image")
    x = pixels
    for number, channels in enumerate((8, 16)):
        x = keras.layers.Conv2D(channels, 3, 2, padding="same", name=f"conv{number}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(CLASSES, activation="softmax", name="pose")(x)
    model = keras.Model(pixels, x, name="classifier")
    random = np.random.default_rng(seed)
    model.set_weights(
        [
            np.abs(random.normal(1, 0.3, weight.shape)).astype(np.float32)
            if "norm" in variable.path
            else weight
            for variable, weight in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    return model


def saved_model_2(folder: Path) -> Path:
    """Write a TensorFlow 2 SavedModel as Keras 3 exports it."""
    keras_model().export(folder, verbose=False)
    return folder


def keras_file(folder: Path, suffix: str) -> Path:
    """Write a .keras or .h5 file."""
    folder.mkdir(parents=True)
    file = folder / f"model{suffix}"
    keras_model().save(file)
    return file


def frozen_graph(folder: Path) -> Path:
    """Write a frozen graph."""
    folder.mkdir(parents=True)
    file = folder / "frozen_inference_graph.pb"

    def save(session: Any, _image: Any, output: Any) -> None:
        graph = v1.graph_util.convert_variables_to_constants(
            session, session.graph_def, [output.op.name]
        )
        file.write_bytes(graph.SerializeToString())

    in_session(classifier_graph, save)
    return file
