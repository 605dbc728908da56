"""Convert the outputs of a model to detections."""

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.artifact.errors import ScoresError
from shared.vision.detections import Box, Detection
from shared.vision.runtime import Arrays

Labels = dict[int, str]

# Rounding tolerances: for a probability, and for the sum of a softmax in bfloat16.
_SLACK, _SUM_SLACK = 1e-3, 0.05
_BINARY_LABELS = 2


def detections(outputs: Arrays, labels: Labels) -> list[Detection]:
    """Convert a detector's outputs by role (Object Detection API) to detections, best first."""
    count = int(outputs["num_detections"][0])
    unsorted = []
    for index in range(count):
        ymin, xmin, ymax, xmax = (float(edge) for edge in outputs["detection_boxes"][0][index])
        unsorted.append(
            Detection(
                label=_label(labels, int(outputs["detection_classes"][0][index])),
                score=float(outputs["detection_scores"][0][index]),
                box=Box(ymin, xmin, ymax, xmax),
            )
        )
    return sorted(unsorted, key=lambda detection: -detection.score)


def classes(scores: npt.NDArray[Any], activation: str | None, labels: Labels) -> list[Detection]:
    """Convert a classifier's scores of one image to detections, sorted by descending score.

    Output i has the label i + 1. If the model has one score and two labels, the score is the
    probability of the second label, as in Keras' binary classifiers.

    Args:
        scores: [1, classes], possibly with dimensions of size 1 between them.
        activation: the activation in the manifest.
        labels: names by id, from 1.

    Raises:
        ScoresError: the values do not match `activation`.
    """
    values = _probabilities(scores[0].reshape(-1).astype(np.float64), activation)
    if len(values) == 1 and len(labels) == _BINARY_LABELS:
        values = np.array([1 - values[0], values[0]])
    order = np.argsort(-values, kind="stable")
    return [Detection(_label(labels, int(index) + 1), float(values[index])) for index in order]


def _probabilities(values: npt.NDArray[np.float64], activation: str | None) -> Any:
    if activation == "none":
        if len(values) == 1:
            raise ScoresError(
                "the classifier returns one logit, whose softmax is always 1: package the model "
                "again with --activation sigmoid-logits"
            )
        exponentials = np.exp(values - values.max())
        return exponentials / exponentials.sum()
    if activation == "sigmoid-logits":
        return (1 + np.tanh(values / 2)) / 2
    total = values.sum()
    is_share = bool(np.all((values >= -_SLACK) & (values <= 1 + _SLACK)))
    if not is_share or (activation == "softmax" and abs(total - 1) > _SUM_SLACK):
        raise ScoresError(
            f"the classifier returns values from {values.min():.4g} to {values.max():.4g} with the "
            f"sum {total:.4g}, which is not a {activation}: package the model again with "
            "--activation logits or sigmoid-logits; values of a regression are not scores"
        )
    return np.clip(values, 0, 1)


def _label(labels: Labels, identifier: int) -> str:
    return labels.get(identifier, f"id {identifier}")
