"""What a model's outputs mean."""

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.artifact.errors import ScoresError
from shared.vision.detections import Box, Detection
from shared.vision.graph_loader import Arrays

Labels = dict[int, str]

# Tolerances for rounding: of a probability, and of the sum of a softmax in bfloat16.
_SLACK, _SUM_SLACK = 1e-3, 0.05
_TWO = 2


def detections(answer: Arrays, labels: Labels) -> list[Detection]:
    """Read a detector's outputs, by role (Object Detection API); best first."""
    count = int(answer["num_detections"][0])
    found = []
    for index in range(count):
        ymin, xmin, ymax, xmax = (float(edge) for edge in answer["detection_boxes"][0][index])
        found.append(
            Detection(
                label=_label(labels, int(answer["detection_classes"][0][index])),
                score=float(answer["detection_scores"][0][index]),
                box=Box(ymin, xmin, ymax, xmax),
            )
        )
    return sorted(found, key=lambda detection: -detection.score)


def classes(scores: npt.NDArray[Any], activation: str | None, labels: Labels) -> list[Detection]:
    """Read a classifier's scores of one image, best first; output i has the label i + 1.

    One score with two labels is the probability of the second of them, as in Keras' binary
    classifiers.

    Args:
        scores: [1, classes], perhaps with sides of 1 between.
        activation: the manifest's.
        labels: names by id, from 1.

    Raises:
        ScoresError: the values contradict `activation`.
    """
    values = _probabilities(scores[0].reshape(-1).astype(np.float64), activation)
    if len(values) == 1 and len(labels) == _TWO:
        values = np.array([1 - values[0], values[0]])
    order = np.argsort(-values, kind="stable")
    return [Detection(_label(labels, int(index) + 1), float(values[index])) for index in order]


def _probabilities(values: npt.NDArray[np.float64], activation: str | None) -> Any:
    if activation == "none":
        if len(values) == 1:
            raise ScoresError(
                "the classifier gives one logit, whose softmax is always 1: package the model "
                "again with --activation sigmoid-logits"
            )
        raised = np.exp(values - values.max())
        return raised / raised.sum()
    if activation == "sigmoid-logits":
        return (1 + np.tanh(values / 2)) / 2
    total = values.sum()
    is_share = bool(np.all((values >= -_SLACK) & (values <= 1 + _SLACK)))
    if not is_share or (activation == "softmax" and abs(total - 1) > _SUM_SLACK):
        raise ScoresError(
            f"the classifier gives values from {values.min():.4g} to {values.max():.4g} with the "
            f"sum {total:.4g}, which is not a {activation}: package the model again with "
            "--activation logits or sigmoid-logits; values of a regression are not scores"
        )
    return np.clip(values, 0, 1)


def _label(labels: Labels, identifier: int) -> str:
    return labels.get(identifier, f"id {identifier}")
