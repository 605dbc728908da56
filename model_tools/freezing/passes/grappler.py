"""TensorFlow's own graph optimiser, kept to passes whose results every reader knows."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
from tensorflow.python.grappler import tf_optimizer

from model_tools.errors import FreezeError
from model_tools.protos import message_class

# `remapper` is left out: it makes _FusedConv2D, which other readers do not know.
_PASSES = ("pruning", "constfold", "dependency", "constfold")


def fold(graph: Any, inputs: Iterable[str], outputs: Iterable[str]) -> Any:
    """Return the GraphDef without what no output needs, constants computed and folded.

    Empties `graph`, which may hold all of a model's weights, on the way.

    Args:
        graph: a GraphDef without functions.
        inputs: names of placeholders that must stay.
        outputs: names of nodes that must stay.

    Raises:
        FreezeError: TensorFlow cannot read the graph.
    """
    meta_graph = message_class("MetaGraphDef")()
    meta_graph.graph_def.CopyFrom(graph)
    graph.Clear()
    kept = meta_graph.collection_def["train_op"].node_list.value
    kept.extend([*outputs, *inputs])
    config = config_pb2.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    rewrite.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.ONE
    rewrite.min_graph_nodes = -1
    rewrite.optimizers.extend(_PASSES)
    try:
        folded = tf_optimizer.OptimizeGraph(config, meta_graph)
    except (ValueError, tf.errors.OpError) as error:
        raise FreezeError(f"TensorFlow cannot read the graph: {str(error)[:300]}") from None
    # The optimiser forgets who made the graph, and readers ask.
    folded.versions.CopyFrom(meta_graph.graph_def.versions)
    return folded
