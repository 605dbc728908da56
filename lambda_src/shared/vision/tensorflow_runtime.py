"""The TensorFlow runtime, the reference for other runtimes."""

import os
from pathlib import Path

from shared.artifact.errors import ArtifactError
from shared.vision.runtime import Arrays, read_graph

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf


class TensorFlowRuntime:
    """A frozen graph in a `tf.compat.v1.Session`."""

    def __init__(
        self, graph: Path, outputs: tuple[str, ...], *, threads: int | None = None
    ) -> None:
        definition = tf.compat.v1.GraphDef()
        try:
            definition.ParseFromString(read_graph(graph))
            imported = tf.Graph()
            with imported.as_default():
                tf.import_graph_def(definition, name="")
            self._fetches = {name: imported.get_tensor_by_name(name) for name in outputs}
        except (KeyError, ValueError, tf.errors.OpError) as error:
            raise ArtifactError(f"{graph}: cannot be loaded: {error}") from None
        except Exception as error:
            # The releases of protobuf define DecodeError in different modules.
            if type(error).__name__ != "DecodeError":
                raise
            raise ArtifactError(f"{graph}: not a frozen graph") from None
        config = tf.compat.v1.ConfigProto()
        if threads is not None:
            config.intra_op_parallelism_threads = threads
            config.inter_op_parallelism_threads = threads
        self.device = "cpu"
        self._session = tf.compat.v1.Session(graph=imported, config=config)

    def run(self, feed: Arrays) -> Arrays:
        """Return the outputs by tensor name."""
        try:
            return dict(self._session.run(self._fetches, feed))
        except (TypeError, ValueError, tf.errors.OpError) as error:
            raise ArtifactError(
                f"the graph does not accept this input: {str(error)[:300]}"
            ) from None
