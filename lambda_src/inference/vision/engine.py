"""Engines: a picture in, detections out."""

import os
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vision.artifact import Artifact
from vision.detections import Box, Detection
from vision.errors import ArtifactError
from vision.preprocessing import prepare


class InferenceEngine(Protocol):
    """Runs one model."""

    name: str

    def infer(self, picture: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return what is on the picture (uint8 [height, width, 3], RGB), best first."""
        ...


class TensorFlowEngine:
    """Runs a frozen detection graph with TensorFlow."""

    name = "tensorflow"

    def __init__(self, artifact: Artifact) -> None:
        """Load the graph and run it once, so that the first picture is not the slow one.

        Raises:
            ArtifactError: the graph is not one, or lacks a node that the manifest names.
        """
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow as tf  # noqa: PLC0415 - takes seconds, and only this engine needs it

        self._manifest = artifact.manifest
        self._labels = artifact.labels
        definition = tf.compat.v1.GraphDef()
        try:
            definition.ParseFromString(artifact.graph_file.read_bytes())
            graph = tf.Graph()
            with graph.as_default():
                tf.import_graph_def(definition, name="")
            self._input = graph.get_tensor_by_name(self._manifest.input.name)
            self._outputs = {
                role: graph.get_tensor_by_name(spec.name)
                for role, spec in self._manifest.outputs.items()
            }
        except (KeyError, ValueError, tf.errors.OpError) as error:
            raise ArtifactError(f"{artifact.graph_file}: cannot be loaded: {error}") from None
        except Exception as error:
            # protobuf's DecodeError has another home in each of its releases.
            if type(error).__name__ != "DecodeError":
                raise
            raise ArtifactError(f"{artifact.graph_file}: not a frozen graph") from None
        self._session = tf.compat.v1.Session(graph=graph)
        spec = self._manifest.input
        self.infer(np.zeros((spec.height_px or 300, spec.width_px or 300, 3), np.uint8))

    def infer(self, picture: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return what is on the picture (uint8 [height, width, 3], RGB), best first."""
        feed = {self._input: prepare(picture, self._manifest.input)}
        return _detections(self._session.run(self._outputs, feed), self._labels)


def _detections(answer: dict[str, npt.NDArray[Any]], labels: dict[int, str]) -> list[Detection]:
    count = int(answer["num_detections"][0])
    found = []
    for index in range(count):
        identifier = int(answer["detection_classes"][0][index])
        ymin, xmin, ymax, xmax = (float(edge) for edge in answer["detection_boxes"][0][index])
        found.append(
            Detection(
                label=labels.get(identifier, f"id {identifier}"),
                score=float(answer["detection_scores"][0][index]),
                box=Box(ymin, xmin, ymax, xmax),
            )
        )
    return sorted(found, key=lambda detection: -detection.score)
