"""A camera loop on a bench: its parts are scripted, and time passes only when they say so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from camera.heartbeat import Heartbeat
from camera.loop import CameraLoop, LoadModel
from camera.messages import ModelIdentity
from camera.settings import Settings
from camera.sources import Frame
from vision.detections import Box, Detection
from vision.engine import InferenceEngine

MODEL = ModelIdentity("shapes", "1.0.0", "ab" * 32)
CIRCLE = Detection("circle", 0.9, Box(0.1, 0.2, 0.3, 0.4))
THING = "front-door"
TOPIC = f"deeplens/{THING}/infer"


def settings(**changes: Any) -> Settings:
    """Settings that work, with changes."""
    given: dict[str, Any] = {
        "thing": THING,
        "function_arn": "arn:aws:lambda:eu-central-1:111111111111:function:deeplens-dev:7",
        "artifact": Path("model.zip"),
        "model_directory": Path("model"),
        "model_digest": MODEL.digest,
        "camera": "folder:camera",
        "engine": "openvino",
        "threshold": 0.5,
        "topic": TOPIC,
        "frame_interval_seconds": 1.0,
        "heartbeat_interval_seconds": 5.0,
    }
    return Settings(**(given | changes))


def environment(**changes: str | None) -> dict[str, str]:
    """Environment variables that work, with changes; None takes one away."""
    given = {
        "AWS_IOT_THING_NAME": THING,
        "MY_FUNCTION_ARN": "arn:aws:lambda:eu-central-1:111111111111:function:deeplens-dev:7",
        "DEEPLENS_MODEL_ARTIFACT": "model.zip",
        "DEEPLENS_MODEL_DIRECTORY": "model",
        "DEEPLENS_MODEL_DIGEST": MODEL.digest,
        "DEEPLENS_CAMERA": "folder:camera",
        "DEEPLENS_THRESHOLD": "0.5",
        "DEEPLENS_TOPIC": "deeplens/{thing}/infer",
        "DEEPLENS_FRAME_INTERVAL_SECONDS": "0.05",
        "DEEPLENS_HEARTBEAT_INTERVAL_SECONDS": "1",
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def frame(source: str = "scene-0001.png") -> Frame:
    """Return a black picture."""
    return Frame(np.zeros((4, 6, 3), np.uint8), datetime(2026, 11, 21, 8, tzinfo=UTC), source)


@dataclass
class Clock:
    """Monotonic time that stands still until someone waits or works."""

    now_seconds: float = 100.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now_seconds

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now_seconds += seconds
        return False


@dataclass
class Sent:
    """A publisher that keeps what it is given, or fails as often as it is told."""

    failures: list[Exception] = field(default_factory=list)
    messages: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(self, topic: str, payload: bytes) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.messages.append((topic, payload))


class Stoppable(Protocol):
    """What can be stopped."""

    def stop(self) -> None: ...


@dataclass
class ScriptedCamera:
    """Gives what its script says, in order, and ends the loop with the last of it."""

    script: list[Frame | Exception]
    clock: Clock
    loop: Stoppable | None = None
    captured_at: list[float] = field(default_factory=list)

    def capture(self) -> Frame:
        self.captured_at.append(self.clock())
        step = self.script.pop(0)
        if not self.script and self.loop:
            self.loop.stop()
        if isinstance(step, Exception):
            raise step
        return step


@dataclass
class ScriptedEngine:
    """Finds what its script says, in order, then a circle each time; each call takes time."""

    clock: Clock
    takes_seconds: float = 0.0
    script: list[list[Detection] | Exception] = field(default_factory=list)
    name: str = "scripted"

    def infer(self, _picture: Any) -> list[Detection]:
        self.clock.now_seconds += self.takes_seconds
        step = self.script.pop(0) if self.script else [CIRCLE]
        if isinstance(step, Exception):
            raise step
        return step


class Bench:
    """All parts of a loop; `run` ends with the camera's script."""

    def __init__(
        self,
        pictures: Sequence[Frame | Exception],
        *,
        load_failures: Sequence[Exception] = (),
        **changes: Any,
    ) -> None:
        self.clock = Clock()
        self.sent = Sent()
        self.camera = ScriptedCamera(list(pictures), self.clock)
        self.engine = ScriptedEngine(self.clock)
        self.load_failures = list(load_failures)
        self.settings = settings(**changes)
        self.heartbeat = Heartbeat(
            thing=self.settings.thing,
            function_arn=self.settings.function_arn,
            engine=self.engine.name,
            interval_seconds=self.settings.heartbeat_interval_seconds,
            publisher=self.sent,
            clock=self.clock,
        )

    def run(self, load_model: LoadModel | None = None) -> None:
        loop = CameraLoop(
            settings=self.settings,
            camera=self.camera,
            load_model=load_model or self._load,
            publisher=self.sent,
            heartbeat=self.heartbeat,
            clock=self.clock,
            wait=self.clock.wait,
        )
        self.camera.loop = loop
        loop.run()

    @property
    def reported(self) -> dict[str, Any]:
        """What the heartbeat would say now."""
        reported: dict[str, Any] = self.heartbeat.document()["state"]["reported"]
        return reported

    def _load(self) -> tuple[ModelIdentity, InferenceEngine]:
        if self.load_failures:
            raise self.load_failures.pop(0)
        return MODEL, self.engine
