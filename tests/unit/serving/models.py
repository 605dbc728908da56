"""TensorFlow Serving's public example models, written by TensorFlow."""

import tarfile
from pathlib import Path
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1


def half_plus(number: float, folder: Path) -> Path:
    """Write y = x / 2 + number with the signatures of `saved_model_half_plus_two.py`."""
    with tf.Graph().as_default(), v1.Session() as session:
        half = v1.get_variable("a", initializer=0.5)
        offset = v1.get_variable("b", initializer=float(number))
        serialized = v1.placeholder(tf.string, [None], name="tf_example")
        parsed = v1.parse_example(serialized, {"x": v1.FixedLenFeature([1], dtype=tf.float32)})
        x = tf.identity(parsed["x"], name="x")
        y = tf.add(tf.multiply(half, x), offset, name="y")
        session.run(v1.global_variables_initializer())
        examples, x_info, y_info = map(v1.saved_model.build_tensor_info, (serialized, x, y))
        build = v1.saved_model.build_signature_def
        regress = build({"inputs": examples}, {"outputs": y_info}, "tensorflow/serving/regress")
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={
                "serving_default": build(
                    {"x": x_info}, {"y": y_info}, "tensorflow/serving/predict"
                ),
                "regress_x_to_y": regress,
                "tensorflow/serving/regress": regress,
                "classify_x_to_y": build(
                    {"inputs": examples}, {"scores": y_info}, "tensorflow/serving/classify"
                ),
            },
        )
        builder.save()
    return folder


class _Sensors(tf.Module):  # type: ignore[misc]
    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "tag"),
            tf.TensorSpec([None, 5], tf.int64, "signal"),
            tf.TensorSpec([None, 2, 2], tf.float32, "sensor"),
        ]
    )
    def measure(self, tag: Any, signal: Any, sensor: Any) -> dict[str, Any]:
        return {
            "name": tf.identity(tag),
            "name_bytes": tf.identity(tag),
            "total": tf.cast(tf.reduce_sum(signal, 1), tf.float32) + tf.reduce_sum(sensor, [1, 2]),
        }


def sensors(folder: Path) -> Path:
    """Write the model of TensorFlow Serving's documentation that has several named inputs."""
    module = _Sensors()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.measure})
    return folder


def archive(models: dict[str, Path], destination: Path, code: str | None = None) -> Path:
    """Pack SavedModels and `code` in SageMaker's layout; return the archive's path.

    The keys of `models` are paths in the archive.
    """
    with tarfile.open(destination, "w:gz") as tar:
        for place, folder in models.items():
            tar.add(folder, place)
        if code is not None:
            script = destination.with_suffix(".py")
            script.write_text(code)
            tar.add(script, "code/inference.py")
    return destination
