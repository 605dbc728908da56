"""How close two lists of detections are."""

from dataclasses import dataclass, field

from shared.vision.detections import Box, Detection

MATCH_IOU = 0.5
_NEXT_TO_THRESHOLD = 0.05


@dataclass(frozen=True)
class Agreement:
    """What two runs say of the same pictures."""

    # Share of answers that the other has too: labels of classifiers, matched boxes of detectors.
    share: float
    # Of scores and box edges of what matched.
    largest_absolute: float
    largest_relative: float
    pictures: int
    # Names of pictures on which they differ.
    differing: list[str] = field(default_factory=list)


def agreement(
    names: list[str], wanted: list[list[Detection]], found: list[list[Detection]], threshold: float
) -> Agreement:
    """Compare two runs over the same images.

    A classifier agrees if its best label does; one with a single label, if its score is on the
    same side of the threshold. A detection at or above `threshold` in either run
    agrees if the other run has its label there (IoU at least 0.5) above half the threshold, so that
    a score next to the threshold is not a difference.
    """
    same = total = 0
    absolute = relative = 0.0
    differing = []
    for name, first, second in zip(names, wanted, found, strict=True):
        pairs, count = _pairs(first, second, threshold)
        same += len(pairs)
        total += count
        if len(pairs) < count:
            differing.append(name)
        for one, other in pairs:
            for a, b in _numbers(one, other):
                absolute = max(absolute, abs(a - b))
                relative = max(relative, abs(a - b) / max(abs(a), 1e-3))
    return Agreement(same / total if total else 1.0, absolute, relative, len(names), differing)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    height = min(one.ymax, other.ymax) - max(one.ymin, other.ymin)
    width = min(one.xmax, other.xmax) - max(one.xmin, other.xmin)
    common = max(height, 0.0) * max(width, 0.0)
    areas = [(box.ymax - box.ymin) * (box.xmax - box.xmin) for box in (one, other)]
    return common / max(sum(areas) - common, 1e-12)


def _pairs(
    first: list[Detection], second: list[Detection], threshold: float
) -> tuple[list[tuple[Detection, Detection]], int]:
    """Return what agrees, and how many answers there are to agree on."""
    if any(one.box is None for one in (*first, *second)):
        if len(second) == 1:
            return _single(first[0] if first else None, second[0], threshold)
        agree = bool(first and second) and first[0].label == second[0].label
        return ([(first[0], second[0])] if agree else []), 1
    pairs = []
    missed = 0
    for left, right in ((first, second), (second, first)):
        for one in (each for each in left if each.score >= threshold):
            other = _match(one, [each for each in right if each.score >= threshold / 2])
            if other is None:
                missed += 1
            elif left is first:
                pairs.append((one, other))
    return pairs, len(pairs) + missed


def _single(
    wanted: Detection | None, found: Detection, threshold: float
) -> tuple[list[tuple[Detection, Detection]], int]:
    """Compare the one score of a classifier with one label: above the threshold or below it."""
    if wanted is None or wanted.label != found.label:
        return [], int(found.score >= threshold)
    # From a threshold of 0 on, every score counts: all of them are on its upper side.
    same_side = threshold > 0 and (wanted.score >= threshold) == (found.score >= threshold)
    agree = same_side or abs(wanted.score - found.score) <= _NEXT_TO_THRESHOLD
    return ([(wanted, found)] if agree else []), 1


def _match(one: Detection, others: list[Detection]) -> Detection | None:
    best, most = None, MATCH_IOU
    for other in others:
        if one.label != other.label or one.box is None or other.box is None:
            continue
        shared = overlap(one.box, other.box)
        if shared >= most:
            best, most = other, shared
    return best


def _numbers(one: Detection, other: Detection) -> list[tuple[float, float]]:
    numbers = [(one.score, other.score)]
    if one.box is not None and other.box is not None:
        first, second = one.box, other.box
        numbers += [
            (first.ymin, second.ymin),
            (first.xmin, second.xmin),
            (first.ymax, second.ymax),
            (first.xmax, second.xmax),
        ]
    return numbers
