"""Pictures with what was found on them."""

from collections.abc import Iterable
from typing import Any

from PIL import Image, ImageDraw

_COLORS = ("#ffb000", "#00d0ff", "#ff5fa2", "#7dff5f", "#c08bff", "#ffffff")


def draw_detections(image: Image.Image, detections: Iterable[dict[str, Any]]) -> Image.Image:
    """Return a copy with a box, a label and a score per detection (as in a detection message).

    A classifier's best label is written in the corner.
    """
    annotated = image.convert("RGB")
    canvas = ImageDraw.Draw(annotated)
    # The best is drawn last: on top.
    for detection in reversed(list(detections)):
        box = detection["box"]
        if box is None:
            _write(canvas, (4, 4), detection, "#ffffff")
            continue
        left, right = box["xmin"] * image.width, box["xmax"] * image.width
        top, bottom = box["ymin"] * image.height, box["ymax"] * image.height
        color = _COLORS[sum(detection["label"].encode()) % len(_COLORS)]
        canvas.rectangle((left, top, right, bottom), outline=color, width=3)
        _write(canvas, (left, max(top - 16, 0)), detection, color)
    return annotated


def _write(
    canvas: ImageDraw.ImageDraw, place: tuple[float, float], detection: dict[str, Any], color: str
) -> None:
    text = f"{detection['label']} {detection['score']:.2f}"
    canvas.rectangle(canvas.textbbox(place, text, font_size=14), fill="black")
    canvas.text(place, text, fill=color, font_size=14)
