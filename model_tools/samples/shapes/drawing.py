"""Draw images of shapes on varied, noisy backgrounds, with their boxes, and scenes for cameras."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

LABELS = ("circle", "square", "triangle", "star")
# The size of the scenes of virtual cameras.
SCENE_WIDTH_PX, SCENE_HEIGHT_PX = 512, 384

# The factor by which images are drawn larger and then scaled down, for smooth edges.
_OVERSAMPLING = 2
_STAR_POINTS = 5
_STAR_INNER_RADIUS = 0.45
_SMALLEST, _LARGEST = 0.22, 0.44
_LEAST_CONTRAST = 90.0
_PLACEMENT_ATTEMPTS = 30
_BLURRED_SHARE = 0.3


@dataclass(frozen=True)
class DrawnShape:
    """A shape: an index into `LABELS`, and a box in pixels (ymin, xmin, ymax, xmax)."""

    kind: int
    box: tuple[float, float, float, float]


def draw_image(
    random: np.random.Generator, width_px: int, height_px: int, *, most_shapes: int = 4
) -> tuple[npt.NDArray[np.uint8], list[DrawnShape]]:
    """Draw an image with one to `most_shapes` shapes that do not overlap.

    Returns:
        The image, uint8 [height_px, width_px, 3] RGB, and its shapes.
    """
    size = (width_px * _OVERSAMPLING, height_px * _OVERSAMPLING)
    background = _background(random, width_px, height_px)
    image = Image.fromarray(background).resize(size, Image.Resampling.NEAREST)
    canvas = ImageDraw.Draw(image)
    shapes: list[DrawnShape] = []
    for _ in range(int(random.integers(1, most_shapes + 1))):
        placed = _place(random, size, [shape.box for shape in shapes])
        if placed is None:
            continue
        x, y, radius = placed
        kind = int(random.integers(len(LABELS)))
        points = _outline(kind, x, y, radius, random.uniform(0, 2 * math.pi))
        xs, ys = zip(*points, strict=True)
        box = (min(ys), min(xs), max(ys), max(xs))
        behind = background[int(y) // _OVERSAMPLING, int(x) // _OVERSAMPLING].astype(float)
        canvas.polygon(points, fill=_contrasting_color(random, behind))
        shapes.append(DrawnShape(kind, box))
    image = image.resize((width_px, height_px), Image.Resampling.BOX)
    if random.random() < _BLURRED_SHARE:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 0.7)))
    pixels = np.asarray(image).astype(np.float32)
    pixels += random.standard_normal(pixels.shape, np.float32) * np.float32(random.uniform(0, 10))
    drawn = np.clip(pixels, 0, 255).astype(np.uint8)
    scaled = [
        DrawnShape(shape.kind, tuple(value / _OVERSAMPLING for value in shape.box))  # type: ignore[arg-type]
        for shape in shapes
    ]
    return drawn, scaled


def write_scenes(folder: Path, count: int, seed: int) -> None:
    """Draw `count` scenes into `folder`, and `scenes.json` with labels and boxes (0 to 1)."""
    folder.mkdir(parents=True, exist_ok=True)
    # This sequence differs from those of training and evaluation.
    random = np.random.default_rng([seed, 2])
    truth = {}
    for number in range(1, count + 1):
        image, shapes = draw_image(random, SCENE_WIDTH_PX, SCENE_HEIGHT_PX)
        name = f"scene-{number:04d}.png"
        Image.fromarray(image).save(folder / name)
        truth[name] = [
            {
                "label": LABELS[shape.kind],
                "box": {
                    "ymin": shape.box[0] / SCENE_HEIGHT_PX,
                    "xmin": shape.box[1] / SCENE_WIDTH_PX,
                    "ymax": shape.box[2] / SCENE_HEIGHT_PX,
                    "xmax": shape.box[3] / SCENE_WIDTH_PX,
                },
            }
            for shape in shapes
        ]
    (folder / "scenes.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


def _background(random: np.random.Generator, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Draw a gradient between two colors, with a soft pattern over it."""
    first, second = random.uniform(0, 255, (2, 3))
    angle = random.uniform(0, 2 * math.pi)
    ys, xs = np.mgrid[0:height, 0:width]
    along = (xs / width - 0.5) * math.cos(angle) + (ys / height - 0.5) * math.sin(angle) + 0.5
    gradient = first + np.clip(along, 0, 1)[..., None] * (second - first) * 0.6
    coarse = random.normal(0, random.uniform(0, 18), (height // 8 + 1, width // 8 + 1, 3))
    pattern = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)[:height, :width]
    result: npt.NDArray[np.uint8] = np.clip(gradient + pattern, 0, 255).astype(np.uint8)
    return result


def _place(
    random: np.random.Generator,
    size: tuple[int, int],
    taken: list[tuple[float, float, float, float]],
) -> tuple[float, float, float] | None:
    """Return the center and radius of a circle that overlaps no box of `taken`.

    The result is None if all `_PLACEMENT_ATTEMPTS` random circles overlap a box.
    """
    width, height = size
    for _ in range(_PLACEMENT_ATTEMPTS):
        radius = random.uniform(_SMALLEST, _LARGEST) * height / 2
        x = random.uniform(radius, width - radius)
        y = random.uniform(radius, height - radius)
        if all(
            x + radius < xmin or x - radius > xmax or y + radius < ymin or y - radius > ymax
            for ymin, xmin, ymax, xmax in taken
        ):
            return x, y, radius
    return None


def _outline(
    kind: int, x: float, y: float, radius: float, rotation: float
) -> list[tuple[float, float]]:
    label = LABELS[kind]
    if label == "circle":
        corners = [(radius, index * math.pi / 24) for index in range(48)]
    elif label == "star":
        corners = [
            (radius * (1 if index % 2 == 0 else _STAR_INNER_RADIUS), index * math.pi / _STAR_POINTS)
            for index in range(2 * _STAR_POINTS)
        ]
    else:
        count = {"square": 4, "triangle": 3}[label]
        corners = [(radius, index * 2 * math.pi / count) for index in range(count)]
    return [
        (x + length * math.cos(angle + rotation), y + length * math.sin(angle + rotation))
        for length, angle in corners
    ]


def _contrasting_color(
    random: np.random.Generator, behind: npt.NDArray[np.floating]
) -> tuple[int, int, int]:
    while True:
        color = random.uniform(0, 255, 3)
        if np.linalg.norm(color - behind) > _LEAST_CONTRAST:
            return int(color[0]), int(color[1]), int(color[2])
