"""What a detector finds on a picture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """Edges as shares of the picture's height and width, 0 to 1."""

    ymin: float
    xmin: float
    ymax: float
    xmax: float


@dataclass(frozen=True)
class Detection:
    """One object: its label, the model's score (0 to 1) and where it is."""

    label: str
    score: float
    box: Box
