"""Compare two lists of detections."""

from dataclasses import dataclass, field

from shared.vision.detections import Box, Detection

MATCH_IOU = 0.5
_NEAR_THRESHOLD = 0.05


@dataclass(frozen=True)
class Agreement:
    """The agreement of two runs over the same images; the field names are keys of `--json`."""

    # The share of detections that both runs have: best labels of classifiers, or matched boxes of
    # detectors.
    share: float
    # The largest differences of scores and box edges between matched detections.
    largest_absolute: float
    largest_relative: float
    # The number of images.
    pictures: int
    # Names of the images for which the runs differ.
    differing: list[str] = field(default_factory=list)


def agreement(
    names: list[str],
    expected: list[list[Detection]],
    actual: list[list[Detection]],
    threshold: float,
) -> Agreement:
    """Compare two runs over the same images.

    A classifier agrees if its best label does. A classifier with a single label agrees if its score
    is on the same side of the threshold. In a detector, each detection of either run with a score
    of at least `threshold` is compared. It agrees if the other run has a detection with the same
    label, an IoU of at least 0.5, and a score of at least half the threshold. Therefore, a score
    close to the threshold is not a difference.
    """
    matched = total = 0
    absolute = relative = 0.0
    differing = []
    for name, first, second in zip(names, expected, actual, strict=True):
        pairs, count = _pairs(first, second, threshold)
        matched += len(pairs)
        total += count
        if len(pairs) < count:
            differing.append(name)
        for left, right in pairs:
            for a, b in _numbers(left, right):
                absolute = max(absolute, abs(a - b))
                relative = max(relative, abs(a - b) / max(abs(a), 1e-3))
    return Agreement(matched / total if total else 1.0, absolute, relative, len(names), differing)


def intersection_over_union(first: Box, second: Box) -> float:
    """Return the intersection over union (IoU) of two boxes."""
    height = min(first.ymax, second.ymax) - max(first.ymin, second.ymin)
    width = min(first.xmax, second.xmax) - max(first.xmin, second.xmin)
    intersection = max(height, 0.0) * max(width, 0.0)
    areas = [(box.ymax - box.ymin) * (box.xmax - box.xmin) for box in (first, second)]
    return intersection / max(sum(areas) - intersection, 1e-12)


def _pairs(
    first: list[Detection], second: list[Detection], threshold: float
) -> tuple[list[tuple[Detection, Detection]], int]:
    """Return the detections that agree, and the number of compared detections."""
    if any(detection.box is None for detection in (*first, *second)):
        if len(second) == 1:
            return _single(first[0] if first else None, second[0], threshold)
        is_same = bool(first and second) and first[0].label == second[0].label
        return ([(first[0], second[0])] if is_same else []), 1
    pairs = []
    missed = 0
    for left, right in ((first, second), (second, first)):
        candidates = [detection for detection in right if detection.score >= threshold / 2]
        for detection in left:
            if detection.score < threshold:
                continue
            match = _match(detection, candidates)
            if match is None:
                missed += 1
            elif left is first:
                pairs.append((detection, match))
    return pairs, len(pairs) + missed


def _single(
    expected: Detection | None, actual: Detection, threshold: float
) -> tuple[list[tuple[Detection, Detection]], int]:
    """Compare two scores of a classifier with one label by their side of the threshold."""
    if expected is None or expected.label != actual.label:
        return [], int(actual.score >= threshold)
    # At a threshold of 0, every score is above the threshold, so the side is not compared.
    same_side = threshold > 0 and (expected.score >= threshold) == (actual.score >= threshold)
    is_same = same_side or abs(expected.score - actual.score) <= _NEAR_THRESHOLD
    return ([(expected, actual)] if is_same else []), 1


def _match(detection: Detection, candidates: list[Detection]) -> Detection | None:
    best, best_iou = None, MATCH_IOU
    for candidate in candidates:
        if detection.label != candidate.label or detection.box is None or candidate.box is None:
            continue
        iou = intersection_over_union(detection.box, candidate.box)
        if iou >= best_iou:
            best, best_iou = candidate, iou
    return best


def _numbers(first: Detection, second: Detection) -> list[tuple[float, float]]:
    numbers = [(first.score, second.score)]
    if first.box is not None and second.box is not None:
        numbers += [
            (first.box.ymin, second.box.ymin),
            (first.box.xmin, second.box.xmin),
            (first.box.ymax, second.box.ymax),
            (first.box.xmax, second.box.xmax),
        ]
    return numbers
