"""The detections of a model in one image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """Edges of a bounding box as shares of the image's height and width, 0 to 1."""

    ymin: float
    xmin: float
    ymax: float
    xmax: float


@dataclass(frozen=True)
class Detection:
    """One object, or one class of the entire image: its label and score (0 to 1)."""

    label: str
    score: float
    # None for a classifier.
    box: Box | None = None
