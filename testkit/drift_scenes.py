"""Scenes for the sample detector, and shifted versions: night, blur and unknown objects.

Images are RGB arrays of type uint8 with the shape (height, width, 3).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from camera.drift import SAMPLE_SECONDS, DriftMonitor
from camera.dynamic_settings import CurrentSettings, DynamicSettings
from camera.frames import Frame
from model_tools.samples.shapes.drawing import SCENE_HEIGHT_PX, SCENE_WIDTH_PX, draw_image
from shared.artifact.drift_baseline import FEATURES, Baseline
from shared.vision.detections import Detection
from shared.vision.engine import InferenceEngine

Picture = npt.NDArray[np.uint8]
# A frame and its detections.
Looked = tuple[Frame, Sequence[Detection]]

# The number of scenes that the demonstration's camera repeats.
SCENES = 24


def as_before(scene: Picture, random: np.random.Generator) -> Picture:
    """Return the scene without a shift."""
    del random
    return scene


def night(scene: Picture, random: np.random.Generator) -> Picture:
    """Return the scene with an eighth of its brightness."""
    del random
    return (scene // 8).astype(np.uint8)


def blur(scene: Picture, random: np.random.Generator) -> Picture:
    """Return the scene with a Gaussian blur (radius: 12 pixels)."""
    del random
    return np.asarray(Image.fromarray(scene).filter(ImageFilter.GaussianBlur(12)))


def unseen_class(scene: Picture, random: np.random.Generator) -> Picture:
    """Return the scene with crosses instead of the shapes."""
    image = Image.fromarray(scene).resize((8, 6), Image.Resampling.BOX)
    image = image.resize((SCENE_WIDTH_PX, SCENE_HEIGHT_PX), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(int(random.integers(1, 5))):
        x, y = random.uniform(60, SCENE_WIDTH_PX - 60), random.uniform(60, SCENE_HEIGHT_PX - 60)
        arm = random.uniform(40, 70)
        colour = tuple(int(value) for value in random.uniform(0, 255, 3))
        for side in (-arm, arm):
            line = [(x - arm, y - side), (x + arm, y + side)]
            draw.line(line, fill=colour, width=int(arm / 3))
    noise = random.normal(0, random.uniform(0, 10), (SCENE_HEIGHT_PX, SCENE_WIDTH_PX, 3))
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)


Shift = Callable[[Picture, np.random.Generator], Picture]
# For each shift: the function that applies it, and the drift feature that must move.
SHIFTS: dict[str, tuple[Shift, str]] = {
    "night": (night, "brightness"),
    "blur": (blur, "sharpness"),
    "unseen class": (unseen_class, "score"),
}


def looked_at(
    engine: InferenceEngine, seed: int, shift: Shift = as_before, count: int = SCENES
) -> list[Looked]:
    """Draw and shift `count` scenes; return a frame and the model's detections for each scene."""
    random, shift_random = np.random.default_rng([seed, 7]), np.random.default_rng([seed, 8])
    inferred: list[Looked] = []
    for number in range(count):
        image = shift(draw_image(random, SCENE_WIDTH_PX, SCENE_HEIGHT_PX)[0], shift_random)
        frame = Frame(image, datetime.now(UTC), f"scene-{number:04d}.png")
        inferred.append((frame, engine.infer(image)))
    return inferred


class WatchedCamera:
    """A drift monitor that receives a frame every half second of a simulated clock."""

    def __init__(self, baseline: Baseline | None, drift_threshold: float = 0.5) -> None:
        self.settings = CurrentSettings(
            DynamicSettings(
                threshold=0.5, frame_interval_seconds=0.5, drift_threshold=drift_threshold
            )
        )
        self.changes = self.frames = 0
        self.now_seconds = 0.0
        self.watch = DriftMonitor(self.settings, clock=lambda: self.now_seconds)
        self.watch.on_changed = self._changed
        self.watch.set_baseline(baseline)

    def observe(self, frames: Sequence[Looked], times: int, until: str | None = None) -> int:
        """Pass frames to the monitor until the feature `until` moves; return the number of frames.

        If `until` is None, or its feature does not move, the monitor receives `times` frames.
        """
        for number in range(times):
            frame, detections = frames[number % len(frames)]
            self.now_seconds += SAMPLE_SECONDS
            self.frames += 1
            self.watch.observe(frame, detections, 1.0)
            if until is not None and until in self.moved:
                return number + 1
        return times

    @property
    def moved(self) -> list[str]:
        """The features that the heartbeat reports as moved."""
        reported = self.watch.reported()
        return list(reported.moved) if reported else []

    @property
    def distances(self) -> list[float]:
        """The reported distances in the order of `FEATURES`; zeros before the first report."""
        reported = self.watch.reported()
        return [getattr(reported, name) if reported else 0.0 for name in FEATURES]

    def _changed(self) -> None:
        self.changes += 1
