"""What a single-shot detector's convolutions say, as detections.

The same arithmetic as TensorFlow's Object Detection API does inside its graphs (Faster R-CNN box
coder, multi-class non-maximum suppression), in NumPy, where it takes a fraction of the time.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.artifact.manifest import CutSpec
from shared.vision.graph_loader import Arrays

Floats = npt.NDArray[np.float32]

# What float32 may lose between a score and its logit.
_SLACK = 1e-3


def detections_of(encodings: Floats, predictions: Floats, anchors: Floats, cut: CutSpec) -> Arrays:
    """Decode boxes, convert scores, and keep the best that do not overlap.

    Args:
        encodings: float32 [N, 4]: ty, tx, th, tw per anchor.
        predictions: float32 [N, classes + 1], the background first.
        anchors: float32 [N, 4]: centre y, centre x, height, width.
        cut: thresholds and scales.

    Returns:
        The Object Detection API's outputs by role, of as many detections as there are:
        `detection_boxes` [1, K, 4], `detection_scores` [1, K] in falling order,
        `detection_classes` [1, K] from 1, `num_detections` [1]; float32.
    """
    which, classes, values = _candidates(predictions, cut)
    boxes = np.clip(_decoded(encodings[which], anchors[which], cut.box_scale), 0, 1)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    # Equal scores keep the order of their class and anchor, as in the graph.
    order = np.lexsort((which, classes, -values))
    order = order[areas[order] > 0]
    chosen = _suppress(boxes[order], classes[order], areas[order], cut)
    picked = order[chosen]
    return {
        "num_detections": np.array([len(picked)], np.float32),
        "detection_boxes": boxes[picked][np.newaxis],
        "detection_scores": values[picked][np.newaxis],
        "detection_classes": (classes[picked] + 1).astype(np.float32)[np.newaxis],
    }


def _candidates(
    predictions: Floats, cut: CutSpec
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Floats]:
    """Return anchor, class (from 0) and score of what is above the threshold."""
    least = np.float32(cut.score_threshold)
    if cut.score_converter == "sigmoid":
        # Most are far below: what a threshold is before the sigmoid leaves them out at once.
        odds = np.clip(np.float64(least), 1e-12, 1 - 1e-12)
        raw = predictions[:, 1:]
        which, classes = np.nonzero(raw > np.float32(np.log(odds / (1 - odds)) - _SLACK))
        values = (1 / (1 + np.exp(-raw[which, classes]))).astype(np.float32)
        above = values > least
        return which[above], classes[above], values[above]
    scores = predictions
    if cut.score_converter == "softmax":
        raised = np.exp(predictions - predictions.max(axis=1, keepdims=True))
        scores = raised / raised.sum(axis=1, keepdims=True)
    which, classes = np.nonzero(scores[:, 1:] > least)
    best: Floats = scores[which, classes + 1]
    return which, classes, best


def _decoded(encodings: Floats, anchors: Floats, scale: tuple[float, ...]) -> Floats:
    ty, tx, th, tw = (encodings / np.array(scale, np.float32)).T
    center_y, center_x, anchor_height, anchor_width = anchors.T
    half_height = np.exp(th) * anchor_height / 2
    half_width = np.exp(tw) * anchor_width / 2
    y = ty * anchor_height + center_y
    x = tx * anchor_width + center_x
    return np.stack([y - half_height, x - half_width, y + half_height, x + half_width], axis=1)


def _suppress(boxes: Floats, classes: npt.NDArray[Any], areas: Floats, cut: CutSpec) -> list[int]:
    """Go through candidates, best first; a taken one silences its class where they overlap.

    The best `most_detections` over all classes are those that suppression per class, and sorting
    what is left, would give; so the walk can end there, and rarely needs more than the best few.
    """
    count = min(2 * cut.most_detections, len(boxes))
    taken = _walk(boxes[:count], classes[:count], areas[:count], cut)
    while len(taken) < cut.most_detections and count < len(boxes):
        count = min(4 * count, len(boxes))
        taken = _walk(boxes[:count], classes[:count], areas[:count], cut)
    return taken


def _walk(boxes: Floats, classes: npt.NDArray[Any], areas: Floats, cut: CutSpec) -> list[int]:
    silenced = np.zeros(len(boxes), np.bool_)
    taken: list[int] = []
    per_class: dict[int, int] = {}
    for index, kind in enumerate(classes.tolist()):
        if silenced[index] or per_class.get(kind, 0) == cut.most_per_class:
            continue
        per_class[kind] = per_class.get(kind, 0) + 1
        taken.append(index)
        if len(taken) == cut.most_detections:
            break
        silenced |= (_overlap(boxes, areas, index) > cut.iou_threshold) & (classes == kind)
    return taken


def _overlap(boxes: Floats, areas: Floats, one: int) -> Floats:
    """Intersection over union of one box with all."""
    ymin, xmin, ymax, xmax = boxes.T
    box = boxes[one]
    height = np.minimum(ymax, box[2]) - np.maximum(ymin, box[0])
    width = np.minimum(xmax, box[3]) - np.maximum(xmin, box[1])
    common = np.maximum(height, 0) * np.maximum(width, 0)
    return np.asarray(common / (areas + areas[one] - common))
