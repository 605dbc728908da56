"""What a model's outputs mean."""

from typing import Any

import numpy as np
import numpy.typing as npt

from vision.detections import Box, Detection
from vision.runtimes import Arrays

Labels = dict[int, str]


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
    """Read a classifier's scores, [1, classes], best first; output i has the label i + 1."""
    values = scores[0].astype(np.float64)
    if activation == "none":
        raised = np.exp(values - values.max())
        values = raised / raised.sum()
    order = np.argsort(-values, kind="stable")
    return [Detection(_label(labels, int(index) + 1), float(values[index])) for index in order]


def _label(labels: Labels, identifier: int) -> str:
    return labels.get(identifier, f"id {identifier}")
