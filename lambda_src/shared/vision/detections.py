"""What a model finds on a picture."""

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
    """One object, or one class of the whole picture: its label and the model's score (0 to 1)."""

    label: str
    score: float
    # A classifier says what, not where.
    box: Box | None = None
