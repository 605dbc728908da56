"""A Keras detector as a frozen graph, with the node names of TensorFlow's Object Detection API."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from vision.manifest import DETECTION_OUTPUTS

INPUT_NAME = "image_tensor"

# `remapper` is left out: it makes _FusedConv2D, which other readers do not know.
_GRAPPLER_PASSES = ("pruning", "constfold", "dependency", "constfold")
_LARGEST_DIFFERENCE = 1e-4


class FreezeError(Exception):
    """The frozen graph does not answer as its source does, or cannot be made."""


def freeze_detector(
    detect: Callable[[Any], dict[str, Any]], height_px: int, width_px: int
) -> bytes:
    """Freeze a function from `image_tensor` to the four detection outputs.

    Args:
        detect: takes uint8 [1, height_px, width_px, 3], returns the outputs by name.
        height_px: of the input.
        width_px: of the input.

    Returns:
        The serialised GraphDef; the same function and weights give the same bytes.

    Raises:
        FreezeError: a function, a variable or a name is left that a reader cannot take.
    """
    import tensorflow as tf  # noqa: PLC0415 - takes seconds to import
    from tensorflow.python.framework.convert_to_constants import (  # noqa: PLC0415
        convert_variables_to_constants_v2,
    )

    def named(image_tensor: Any) -> dict[str, Any]:
        return {
            name: tf.identity(value, name=f"out_{name}")
            for name, value in detect(image_tensor).items()
        }

    spec = tf.TensorSpec([1, height_px, width_px, 3], tf.uint8, name=INPUT_NAME)
    concrete = tf.function(named).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(concrete)
    outputs = dict(zip(sorted(concrete.structured_outputs), frozen.outputs, strict=True))
    definition = _rename(frozen.graph.as_graph_def(), frozen.inputs[0], outputs)
    optimized = _fold(definition)
    if optimized.library.function:
        names = ", ".join(function.signature.name for function in optimized.library.function)
        raise FreezeError(f"functions are left in the graph: {names}")
    return bytes(optimized.SerializeToString(deterministic=True))


def check_parity(
    graph: bytes,
    detect: Callable[[Any], dict[str, Any]],
    pictures: list[npt.NDArray[np.uint8]],
) -> float:
    """Compare the frozen graph with its source on `pictures`, each uint8 [1, H, W, 3].

    Returns:
        The largest absolute difference of any score, box edge or class.

    Raises:
        FreezeError: the difference is above 1e-4.
    """
    infer = frozen_function(graph)
    largest = 0.0
    for picture in pictures:
        wanted = {name: np.asarray(value) for name, value in detect(picture).items()}
        answer = infer(picture)
        for name in DETECTION_OUTPUTS:
            largest = max(largest, float(np.max(np.abs(answer[name] - wanted[name]))))
    if largest > _LARGEST_DIFFERENCE:
        raise FreezeError(
            f"the frozen graph differs from its source by {largest:.2g}, "
            f"at most {_LARGEST_DIFFERENCE:.0e} is accepted; nothing was written"
        )
    return largest


def frozen_function(
    graph: bytes,
) -> Callable[[npt.NDArray[np.uint8]], dict[str, npt.NDArray[np.float32]]]:
    """Return the frozen graph as a function of a picture, uint8 [1, H, W, 3]."""
    import tensorflow as tf  # noqa: PLC0415 - takes seconds to import

    definition = tf.compat.v1.GraphDef.FromString(graph)
    imported = tf.Graph()
    with imported.as_default():
        tf.import_graph_def(definition, name="")
    session = tf.compat.v1.Session(graph=imported)
    fetches = {name: f"{name}:0" for name in DETECTION_OUTPUTS}
    return lambda picture: dict(session.run(fetches, {f"{INPUT_NAME}:0": picture}))


def _rename(definition: Any, image: Any, outputs: dict[str, Any]) -> Any:
    """Give the placeholder and the outputs exactly the names that readers look for."""
    for node in definition.node:
        if node.name == image.op.name and node.name != INPUT_NAME:
            raise FreezeError(f"the input is called {node.name}, expected {INPUT_NAME}")
    for name, tensor in outputs.items():
        source = definition.node.add(name=name, op="Identity", input=[tensor.name])
        source.attr["T"].type = tensor.dtype.as_datatype_enum
    return definition


def _fold(definition: Any) -> Any:
    """Drop what no output needs and fold constants, batch normalisation among them."""
    import tensorflow as tf  # noqa: PLC0415 - takes seconds to import
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2  # noqa: PLC0415
    from tensorflow.python.grappler import tf_optimizer  # noqa: PLC0415

    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=definition, graph=graph)
    fetches = meta_graph.collection_def["train_op"].node_list.value
    fetches.extend(DETECTION_OUTPUTS)
    config = config_pb2.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    rewrite.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.ONE
    rewrite.min_graph_nodes = -1
    rewrite.optimizers.extend(_GRAPPLER_PASSES)
    optimized = tf_optimizer.OptimizeGraph(config, meta_graph)
    optimized.versions.CopyFrom(definition.versions)
    return optimized
