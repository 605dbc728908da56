"""Scenes of the sample detector, and what may happen to them: night, blur, things never seen."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from camera.drift import LOOK_SECONDS, DriftWatch
from camera.frames import Frame
from camera.live_settings import CurrentSettings, LiveSettings
from model_tools.shapes.drawing import draw_picture
from model_tools.shapes.scenes import HEIGHT_PX, WIDTH_PX
from shared.artifact.baseline import FEATURES, Baseline
from shared.vision.detections import Detection
from shared.vision.engine import InferenceEngine

Picture = npt.NDArray[np.uint8]
# A frame with what the model finds on it.
Looked = tuple[Frame, Sequence[Detection]]

# As many as the demonstration's camera has, over and over.
SCENES = 24


def as_before(scene: Picture, random: np.random.Generator) -> Picture:
    """Nothing happens."""
    del random
    return scene


def night(scene: Picture, random: np.random.Generator) -> Picture:
    """An eighth of the light is left."""
    del random
    return (scene // 8).astype(np.uint8)


def blur(scene: Picture, random: np.random.Generator) -> Picture:
    """The lens is out of focus, by 12 pixels."""
    del random
    return np.asarray(Image.fromarray(scene).filter(ImageFilter.GaussianBlur(12)))


def unseen_class(scene: Picture, random: np.random.Generator) -> Picture:
    """Crosses in place of the shapes, which are wiped out."""
    image = Image.fromarray(scene).resize((8, 6), Image.Resampling.BOX)
    image = image.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(int(random.integers(1, 5))):
        x, y = random.uniform(60, WIDTH_PX - 60), random.uniform(60, HEIGHT_PX - 60)
        arm = random.uniform(40, 70)
        colour = tuple(int(value) for value in random.uniform(0, 255, 3))
        for side in (-arm, arm):
            line = [(x - arm, y - side), (x + arm, y + side)]
            draw.line(line, fill=colour, width=int(arm / 3))
    noise = random.normal(0, random.uniform(0, 10), (HEIGHT_PX, WIDTH_PX, 3))
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)


Shift = Callable[[Picture, np.random.Generator], Picture]
# By name: what happens, and one of the features that must move.
SHIFTS: dict[str, tuple[Shift, str]] = {
    "night": (night, "brightness"),
    "blur": (blur, "sharpness"),
    "unseen class": (unseen_class, "score"),
}


def looked_at(
    engine: InferenceEngine, seed: int, shift: Shift = as_before, count: int = SCENES
) -> list[Looked]:
    """Draw the scenes of a seed, let something happen to them, and run the model."""
    random, happening = np.random.default_rng([seed, 7]), np.random.default_rng([seed, 8])
    found: list[Looked] = []
    for number in range(count):
        picture = shift(draw_picture(random, WIDTH_PX, HEIGHT_PX)[0], happening)
        frame = Frame(picture, datetime.now(UTC), f"scene-{number:04d}.png")
        found.append((frame, engine.infer(picture)))
    return found


class WatchedCamera:
    """A drift watch that sees frame after frame, each half a second after the other."""

    def __init__(self, baseline: Baseline | None, drift_threshold: float = 0.5) -> None:
        self.settings = CurrentSettings(
            LiveSettings(threshold=0.5, frame_interval_seconds=0.5, drift_threshold=drift_threshold)
        )
        self.changes = self.frames = 0
        self.now_seconds = 0.0
        self.watch = DriftWatch(self.settings, clock=lambda: self.now_seconds)
        self.watch.on_changed = self._changed
        self.watch.compare_with(baseline)

    def see(self, frames: Sequence[Looked], times: int, until: str | None = None) -> int:
        """See frames over and over; return how many it took until a feature had moved."""
        for number in range(times):
            frame, found = frames[number % len(frames)]
            self.now_seconds += LOOK_SECONDS
            self.frames += 1
            self.watch.see(frame, found, 1.0)
            if until is not None and until in self.moved:
                return number + 1
        return times

    @property
    def moved(self) -> list[str]:
        """What has moved, as the heartbeat says it."""
        reported = self.watch.reported()
        return list(reported["moved"]) if reported else []

    @property
    def distances(self) -> list[float]:
        """Of every feature, as the heartbeat says them; zeros before it does."""
        reported = self.watch.reported()
        return [reported[name] if reported else 0.0 for name in FEATURES]

    def _changed(self) -> None:
        self.changes += 1
