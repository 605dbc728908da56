"""Run TensorFlow's graph optimizer, only with passes whose results every runtime can read."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
from tensorflow.python.grappler import tf_optimizer

from model_tools.errors import FreezeError
from model_tools.graph.messages import message_class

# The passes in order, without `remapper`, because other runtimes cannot read its _FusedConv2D.
_PASSES = ("pruning", "constfold", "dependency", "constfold")


def fold(graph: Any, inputs: Iterable[str], outputs: Iterable[str]) -> Any:
    """Return the GraphDef with folded constants and without unneeded nodes.

    After the call, `graph` is empty, so that the memory of the weights is free.

    Args:
        graph: a GraphDef without functions.
        inputs: names of placeholders to keep.
        outputs: names of nodes to keep.

    Raises:
        FreezeError: TensorFlow cannot read the graph.
    """
    meta_graph = message_class("MetaGraphDef")()
    meta_graph.graph_def.CopyFrom(graph)
    graph.Clear()
    preserved = meta_graph.collection_def["train_op"].node_list.value
    preserved.extend([*outputs, *inputs])
    config = config_pb2.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    rewrite.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.ONE
    rewrite.min_graph_nodes = -1
    rewrite.optimizers.extend(_PASSES)
    try:
        folded = tf_optimizer.OptimizeGraph(config, meta_graph)
    except (ValueError, tf.errors.OpError) as error:
        raise FreezeError(f"TensorFlow cannot read the graph: {str(error)[:300]}") from None
    # The optimizer drops the versions, which readers check.
    folded.versions.CopyFrom(meta_graph.graph_def.versions)
    return folded
