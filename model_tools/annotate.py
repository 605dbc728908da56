"""Pictures with what was found on them."""

from collections.abc import Iterable, Sequence
from typing import Any

from PIL import Image, ImageDraw

_GOLDEN_ANGLE = 137.508
_OUTLINE_PX = 2
_LINE_PX = 3


def draw_detections(
    image: Image.Image, detections: Iterable[dict[str, Any]], labels: Sequence[str] = ()
) -> Image.Image:
    """Return a copy with a box, a label and a score per detection (as in a detection message).

    A classifier's best label is written in the corner. Each label has its own color, from its index
    in `labels`; without `labels`, from its order among the labels of this image.
    """
    detections = list(detections)
    known = list(dict.fromkeys([*labels, *sorted({one["label"] for one in detections})]))
    annotated = image.convert("RGB")
    canvas = ImageDraw.Draw(annotated)
    # The best is drawn last: on top.
    for detection in reversed(detections):
        box = detection["box"]
        if box is None:
            _write(canvas, (4, 4), detection, "#ffffff")
            continue
        left, right = box["xmin"] * image.width, box["xmax"] * image.width
        top, bottom = box["ymin"] * image.height, box["ymax"] * image.height
        color = _color(known.index(detection["label"]))
        # The dark outline keeps a box visible on an image of its own color.
        outer = (left - _OUTLINE_PX, top - _OUTLINE_PX, right + _OUTLINE_PX, bottom + _OUTLINE_PX)
        canvas.rectangle(outer, outline="black", width=_LINE_PX + 2 * _OUTLINE_PX)
        canvas.rectangle((left, top, right, bottom), outline=color, width=_LINE_PX)
        _write(canvas, (left, max(top - 18, 0)), detection, color)
    return annotated


def _color(index: int) -> str:
    """Return a color whose hue is far from those of the indexes around it."""
    return f"hsl({index * _GOLDEN_ANGLE % 360:.1f}, 80%, 72%)"


def _write(
    canvas: ImageDraw.ImageDraw, place: tuple[float, float], detection: dict[str, Any], color: str
) -> None:
    text = f"{detection['label']} {detection['score']:.2f}"
    canvas.rectangle(canvas.textbbox(place, text, font_size=14), fill="black")
    canvas.text(place, text, fill=color, font_size=14)
