"""Draw heads: ellipsoids with a face, rotated and lit, as in a photograph.

The ray of each pixel is intersected with the ellipsoid. The point of intersection is rotated into
the coordinates of the head: x to the right of the image, y up, z out of the face. The rotated point
determines the color of the pixel. Therefore, hair, eyes, nose and mouth move with the head.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from model_tools.samples.headpose.poses import BORDER, PANS, TILTS

SIDE_PX = 84

# The factor by which images are drawn larger and then scaled down, for smooth edges.
_OVERSAMPLING = 2
# The minimum distance between an angle and the border of its class, in degrees.
_MARGIN_DEGREES = 7.0
_WIDEST_DEGREES = {"pan": 60.0, "tilt": 45.0}
_MOST_ROLL_DEGREES = 8.0
_RADII = np.array([0.78, 1.0, 0.85])
_BLURRED_SHARE = 0.4

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Look:
    """Random properties of a head, such as colors and light."""

    skin: Floats
    hair: Floats
    eyes: Floats
    lips: Floats
    fringe: float
    beard: bool
    light: Floats
    ambient: float


def draw_head(random: np.random.Generator, pose: int) -> Pixels:
    """Draw one head in a pose, an index into `LABELS`.

    Returns:
        uint8 [84, 84, 3], RGB.
    """
    pan, tilt = divmod(pose, len(TILTS))
    degrees = (
        _angle(random, pan, len(PANS), _WIDEST_DEGREES["pan"]),
        _angle(random, tilt, len(TILTS), _WIDEST_DEGREES["tilt"]),
        random.uniform(-_MOST_ROLL_DEGREES, _MOST_ROLL_DEGREES),
    )
    side = SIDE_PX * _OVERSAMPLING
    centre = random.uniform(-0.12, 0.12, 2)
    x, y = _plane(side, scale=random.uniform(1.25, 1.6), centre=centre)
    look = _look(random)
    canvas = _background(random, side)
    _draw_shoulders(canvas, x, y, random.integers(20, 230, 3))
    _draw_ellipsoid(canvas, x, y, _rotation(*degrees), look)
    return _photographed(random, canvas)


def draw_heads(seed: int, first: int, count: int) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Draw images `first` to `first + count - 1` of a seed's sequence, with equally frequent poses.

    Returns:
        The images, uint8 [count, 84, 84, 3], and their poses, int64 [count].
    """
    numbers = range(first, first + count)
    poses = np.array([number % (len(PANS) * len(TILTS)) for number in numbers], np.int64)
    pictures = [
        draw_head(np.random.default_rng([seed, number]), int(pose))
        for number, pose in zip(numbers, poses, strict=True)
    ]
    return np.stack(pictures), poses


def _angle(random: np.random.Generator, kind: int, kinds: int, widest: float) -> float:
    """Return a random angle of a class (below, around or above 0), in degrees."""
    border = BORDER * 90
    if kind == kinds // 2:
        return float(random.uniform(_MARGIN_DEGREES - border, border - _MARGIN_DEGREES))
    size = random.uniform(border + _MARGIN_DEGREES, widest)
    return float(size if kind > kinds // 2 else -size)


def _rotation(pan: float, tilt: float, roll: float) -> Floats:
    """Return the matrix from head to camera coordinates; the angles are in degrees.

    In camera coordinates, x points right, y up, and z to the camera.
    """
    (cp, ct, cr), (sp, st, sr) = (
        function(np.radians([pan, tilt, roll])) for function in (np.cos, np.sin)
    )
    yaw = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    pitch = np.array([[1, 0, 0], [0, ct, st], [0, -st, ct]])
    lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(lean @ yaw @ pitch)


def _plane(side: int, *, scale: float, centre: Floats) -> tuple[Floats, Floats]:
    steps = (np.arange(side) + 0.5) / side * 2 - 1
    x = np.broadcast_to(steps * scale - centre[0], (side, side))
    y = np.broadcast_to(-steps[:, np.newaxis] * scale - centre[1], (side, side))
    return x, y


def _look(random: np.random.Generator) -> _Look:
    light = np.array([random.uniform(-1, 1), random.uniform(-0.3, 1), random.uniform(0.6, 1.2)])
    skin = np.array([random.uniform(90, 250), 0, 0])
    skin[1] = skin[0] * random.uniform(0.66, 0.85)
    skin[2] = skin[1] * random.uniform(0.68, 0.92)
    hair = random.uniform(5, 200) * np.array([1, random.uniform(0.6, 1), random.uniform(0.3, 0.9)])
    return _Look(
        skin=skin,
        hair=hair,
        eyes=random.uniform(10, 90, 3),
        lips=skin * np.array([random.uniform(0.7, 0.95), 0.55, 0.6]),
        fringe=random.uniform(0.3, 0.6),
        beard=bool(random.random() < 0.25),  # noqa: PLR2004 - a quarter of the heads
        light=light / np.linalg.norm(light),
        ambient=random.uniform(0.3, 0.6),
    )


def _draw_shoulders(canvas: Floats, x: Floats, y: Floats, colour: npt.NDArray[np.int64]) -> None:
    neck = (np.abs(x) < 0.35) & (y < 0)  # noqa: PLR2004 - relative to half the height of a head
    shoulders = (x / 1.4) ** 2 + ((y + 1.75) / 0.75) ** 2 < 1
    canvas[neck | shoulders] = colour


def _draw_ellipsoid(canvas: Floats, x: Floats, y: Floats, rotation: Floats, look: _Look) -> None:
    """Draw the head onto `canvas`, in parallel projection."""
    # The surface is |A (x, y, z)|² = 1, where A maps the camera's coordinates to the unit sphere's.
    to_sphere = (rotation / _RADII).T
    plane = np.stack([x, y, np.zeros_like(x)], -1) @ to_sphere.T
    forward = to_sphere[:, 2]
    a, b, c = forward @ forward, plane @ forward, (plane**2).sum(-1) - 1
    discriminant = b**2 - a * c
    hit = discriminant > 0
    z = (-b[hit] + np.sqrt(discriminant[hit])) / a
    on_sphere = plane[hit] + z[:, np.newaxis] * forward
    normal = (on_sphere / _RADII) @ rotation.T
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    shade = look.ambient + (1 - look.ambient) * np.clip(normal @ look.light, 0, None)
    canvas[hit] = _face(on_sphere, look) * shade[:, np.newaxis]


def _face(point: Floats, look: _Look) -> Floats:
    """Return the colors of points on the unit sphere of the head."""
    x, y, z = point.T
    colour = np.broadcast_to(look.skin, point.shape).copy()

    def paint(where: npt.NDArray[np.bool_], with_: Floats) -> None:
        colour[where] = with_

    front = z > 0
    if look.beard:
        paint(front & (y < -0.38), look.hair)  # noqa: PLR2004 - below the mouth
    paint(_spot(x, y, front, at=(0, -0.12), size=(0.11, 0.2)), look.skin * 0.8)
    paint(_spot(x, y, front, at=(0, -0.28), size=(0.17, 0.06)), look.skin * 0.6)
    paint(_spot(x, y, front, at=(0, -0.5), size=(0.27, 0.08)), look.lips)
    for side in (-0.36, 0.36):
        paint(_spot(x, y, front, at=(side, 0.34), size=(0.2, 0.05)), look.hair)
        paint(_spot(x, y, front, at=(side, 0.16), size=(0.17, 0.09)), np.full(3, 240.0))
        paint(_spot(x, y, front, at=(side, 0.16), size=(0.08, 0.09)), look.eyes)
        ear = (np.abs(z + 0.1) < 0.2) & (np.abs(y - 0.05) < 0.22) & (x * side > 0.3)  # noqa: PLR2004
        paint(ear, look.skin * 0.7)
    paint((y > look.fringe) | ((z < -0.15) & (y > -0.45)), look.hair)  # noqa: PLR2004
    return colour


def _spot(
    x: Floats,
    y: Floats,
    front: npt.NDArray[np.bool_],
    *,
    at: tuple[float, float],
    size: tuple[float, float],
) -> npt.NDArray[np.bool_]:
    return front & (((x - at[0]) / size[0]) ** 2 + ((y - at[1]) / size[1]) ** 2 < 1)


def _background(random: np.random.Generator, side: int) -> Floats:
    """Draw a background of large, soft areas in random colors."""
    coarse = random.integers(0, 256, (int(random.integers(2, 7)),) * 2 + (3,)).astype(np.uint8)
    image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image).astype(np.float64)


def _photographed(random: np.random.Generator, canvas: Floats) -> Pixels:
    exposed = np.clip(canvas * random.uniform(0.7, 1.25), 0, 255).astype(np.uint8)
    image = Image.fromarray(exposed).resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    if random.random() < _BLURRED_SHARE:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 0.9)))
    pixels = np.asarray(image).astype(np.float32)
    pixels += random.standard_normal(pixels.shape, np.float32) * np.float32(random.uniform(0, 8))
    return np.clip(pixels, 0, 255).astype(np.uint8)
