"""TensorFlow's own graph optimiser, kept to passes whose results every reader knows."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
from tensorflow.python.grappler import tf_optimizer

from model_tools.errors import FreezeError

# `remapper` is left out: it makes _FusedConv2D, which other readers do not know.
_PASSES = ("pruning", "constfold", "dependency", "constfold")


def fold(graph: Any, inputs: Iterable[str], outputs: Iterable[str]) -> Any:
    """Return the GraphDef without what no output needs, constants computed and folded.

    Args:
        graph: a GraphDef without functions.
        inputs: names of placeholders that must stay.
        outputs: names of nodes that must stay.

    Raises:
        FreezeError: TensorFlow cannot import the graph.
    """
    # Grappler looks at constants, never at what they are fed: without shapes of pictures known,
    # importing the graph once is enough.
    imported = tf.Graph()
    try:
        with imported.as_default():
            tf.import_graph_def(graph, name="")
    except ValueError as error:
        raise FreezeError(f"the graph cannot be imported: {str(error)[:300]}") from None
    meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph, graph=imported)
    fetches = meta_graph.collection_def["train_op"].node_list.value
    fetches.extend([*outputs, *inputs])
    config = config_pb2.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    rewrite.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.ONE
    rewrite.min_graph_nodes = -1
    rewrite.optimizers.extend(_PASSES)
    folded = tf_optimizer.OptimizeGraph(config, meta_graph)
    # The optimiser forgets who made the graph, and readers ask.
    folded.versions.CopyFrom(graph.versions)
    return folded
