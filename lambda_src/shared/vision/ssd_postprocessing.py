"""Postprocessing of a single-shot detector's backbone graph, in NumPy.

The results equal those of the graphs of TensorFlow's Object Detection API (Faster R-CNN box coder,
multi-class non-maximum suppression), and take a fraction of the time.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.artifact.manifest import SplitDetectorSpec
from shared.vision.runtime import Arrays

Floats = npt.NDArray[np.float32]

# The tolerance for float32 rounding between a score and its logit.
_SLACK = 1e-3


def detections_of(
    encodings: Floats, predictions: Floats, anchors: Floats, split: SplitDetectorSpec
) -> Arrays:
    """Decode boxes, convert scores, and suppress overlapping detections.

    Args:
        encodings: float32 [N, 4]: ty, tx, th, tw per anchor.
        predictions: float32 [N, classes + 1], the background first.
        anchors: float32 [N, 4]: centre y, centre x, height, width.
        split: thresholds and scales.

    Returns:
        The Object Detection API's outputs by role, without padding:
        `detection_boxes` [1, K, 4], `detection_scores` [1, K] in descending order,
        `detection_classes` [1, K] from 1, `num_detections` [1]; float32.
    """
    anchor_indices, classes, values = _candidates(predictions, split)
    boxes = np.clip(
        _decoded(encodings[anchor_indices], anchors[anchor_indices], split.box_scale), 0, 1
    )
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    # Equal scores are sorted by class and anchor, as in the graph.
    order = np.lexsort((anchor_indices, classes, -values))
    order = order[areas[order] > 0]
    selected = order[_suppress(boxes[order], classes[order], areas[order], split)]
    return {
        "num_detections": np.array([len(selected)], np.float32),
        "detection_boxes": boxes[selected][np.newaxis],
        "detection_scores": values[selected][np.newaxis],
        "detection_classes": (classes[selected] + 1).astype(np.float32)[np.newaxis],
    }


def _candidates(
    predictions: Floats, split: SplitDetectorSpec
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Floats]:
    """Return the anchor, class (from 0) and score of each prediction above the threshold."""
    least = np.float32(split.score_threshold)
    if split.score_converter == "sigmoid":
        # A comparison of logits with the threshold's logit avoids the sigmoid of most predictions.
        odds = np.clip(np.float64(least), 1e-12, 1 - 1e-12)
        raw = predictions[:, 1:]
        anchor_indices, classes = np.nonzero(raw > np.float32(np.log(odds / (1 - odds)) - _SLACK))
        values = (1 / (1 + np.exp(-raw[anchor_indices, classes]))).astype(np.float32)
        above = values > least
        return anchor_indices[above], classes[above], values[above]
    scores = predictions
    if split.score_converter == "softmax":
        exponentials = np.exp(predictions - predictions.max(axis=1, keepdims=True))
        scores = exponentials / exponentials.sum(axis=1, keepdims=True)
    anchor_indices, classes = np.nonzero(scores[:, 1:] > least)
    selected: Floats = scores[anchor_indices, classes + 1]
    return anchor_indices, classes, selected


def _decoded(encodings: Floats, anchors: Floats, scale: tuple[float, ...]) -> Floats:
    ty, tx, th, tw = (encodings / np.array(scale, np.float32)).T
    center_y, center_x, anchor_height, anchor_width = anchors.T
    half_height = np.exp(th) * anchor_height / 2
    half_width = np.exp(tw) * anchor_width / 2
    y = ty * anchor_height + center_y
    x = tx * anchor_width + center_x
    return np.stack([y - half_height, x - half_width, y + half_height, x + half_width], axis=1)


def _suppress(
    boxes: Floats, classes: npt.NDArray[Any], areas: Floats, split: SplitDetectorSpec
) -> list[int]:
    """Return the indices of the selected candidates; candidates are sorted by descending score.

    A selected candidate suppresses overlapping candidates of its class. In this order, the result
    equals that of suppression per class followed by sorting. The loop therefore ends after
    `most_detections` selections, and rarely reads more than the first candidates.
    """
    count = min(2 * split.most_detections, len(boxes))
    selected = _select(boxes[:count], classes[:count], areas[:count], split)
    while len(selected) < split.most_detections and count < len(boxes):
        count = min(4 * count, len(boxes))
        selected = _select(boxes[:count], classes[:count], areas[:count], split)
    return selected


def _select(
    boxes: Floats, classes: npt.NDArray[Any], areas: Floats, split: SplitDetectorSpec
) -> list[int]:
    suppressed = np.zeros(len(boxes), np.bool_)
    selected: list[int] = []
    per_class: dict[int, int] = {}
    for index, class_index in enumerate(classes.tolist()):
        if suppressed[index] or per_class.get(class_index, 0) == split.most_per_class:
            continue
        per_class[class_index] = per_class.get(class_index, 0) + 1
        selected.append(index)
        if len(selected) == split.most_detections:
            break
        suppressed |= (_overlap(boxes, areas, index) > split.iou_threshold) & (
            classes == class_index
        )
    return selected


def _overlap(boxes: Floats, areas: Floats, index: int) -> Floats:
    """Return the intersection over union of one box with all boxes."""
    ymin, xmin, ymax, xmax = boxes.T
    box = boxes[index]
    height = np.minimum(ymax, box[2]) - np.maximum(ymin, box[0])
    width = np.minimum(xmax, box[3]) - np.maximum(xmin, box[1])
    common = np.maximum(height, 0) * np.maximum(width, 0)
    return np.asarray(common / (areas + areas[index] - common))
