"""A camera loop on a bench: its parts are scripted, and time passes only when they say so."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from camera.capture import CaptureLoop
from camera.frames import Captured, Frame, NewestFrame
from camera.heartbeat import Heartbeat
from camera.inference import InferenceLoop, LoadedModel
from camera.live_settings import CurrentSettings, LiveSettings
from camera.messages import ModelIdentity
from camera.outbox import Outbox
from camera.reporting import FailureReports
from camera.settings import Settings
from camera.spool import Spool
from shared.vision.detections import Box, Detection
from tests.waiting import HANG_SECONDS

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
        "topic": TOPIC,
        "heartbeat_interval_seconds": 5.0,
        "live": live_settings(),
    }
    return Settings(**(given | changes))


def live_settings(**changes: Any) -> LiveSettings:
    """Live settings that work, with changes."""
    given: dict[str, Any] = {"threshold": 0.5, "frame_interval_seconds": 1.0}
    return LiveSettings(**(given | changes))


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
    """Return a grey picture."""
    return Frame(np.full((4, 6, 3), 90, np.uint8), datetime(2026, 11, 21, 8, tzinfo=UTC), source)


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

    def close(self) -> None: ...


class Stoppable(Protocol):
    """What can be stopped."""

    def stop(self) -> None: ...


@dataclass
class ScriptedCamera:
    """Gives what its script says, in order, and ends the loop with the last of it."""

    script: list[Frame | Exception]
    clock: Clock
    is_live: bool = False
    is_stream: bool = False
    # What a stream's picture takes to come.
    takes_seconds: float = 0.0
    loop: Stoppable | None = None
    captured_at: list[float] = field(default_factory=list)

    def capture(self) -> Frame:
        self.clock.now_seconds += self.takes_seconds
        self.captured_at.append(self.clock())
        step = self.script.pop(0)
        if not self.script and self.loop:
            self.loop.stop()
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None: ...


class ScriptedFrames(NewestFrame):
    """Frames that wait for the engine, in order; the last one ends the loop."""

    def __init__(self, script: Sequence[Frame], clock: Clock) -> None:
        super().__init__(clock)
        self.script = list(script)
        self.loop: Stoppable | None = None
        self._now = clock

    def take(self, wait_seconds: float) -> Captured | None:
        del wait_seconds
        step = self.script.pop(0)
        if not self.script and self.loop:
            self.loop.stop()
        return Captured(step, self._now())


@dataclass
class ScriptedEngine:
    """Finds what its script says, in order, then a circle each time; each call takes time."""

    clock: Clock
    takes_seconds: float = 0.0
    script: list[list[Detection] | Exception] = field(default_factory=list)
    name: str = "scripted"
    fallback: str | None = None

    def infer(self, _picture: Any) -> list[Detection]:
        self.clock.now_seconds += self.takes_seconds
        step = self.script.pop(0) if self.script else [CIRCLE]
        if isinstance(step, Exception):
            raise step
        return step


@dataclass
class ScriptedModels:
    """Gives one model, after as many failures as it is told."""

    engine: Any
    identity: ModelIdentity = MODEL
    failures: list[Exception] = field(default_factory=list)
    instead: Exception | None = None
    loads: int = 0
    frames: int = 0

    def load(self) -> LoadedModel:
        self.loads += 1
        if self.failures:
            raise self.failures.pop(0)
        return LoadedModel(self.identity, self.engine, self.instead)

    def frame_done(self) -> None:
        self.frames += 1

    def withdraw(self) -> None: ...


class Bench:
    """All parts of a loop around one of its threads; `messages` is what it put into the spool."""

    def __init__(self, **changes: Any) -> None:
        self.clock = Clock()
        self.spool = Spool.in_memory()
        self.settings = CurrentSettings(live_settings(**changes))
        self.engine = ScriptedEngine(self.clock)
        self.models = ScriptedModels(self.engine)
        self.outbox = Outbox(self.spool, thing=THING, topic=TOPIC, on_dropped=lambda _: None)
        self.heartbeat = Heartbeat(
            thing=THING,
            function_arn=None,
            engine=self.engine.name,
            interval_seconds=5.0,
            publisher=Sent(),
            clock=self.clock,
        )
        self.reports = FailureReports(
            thing=THING, heartbeat=self.heartbeat, outbox=self.outbox, clock=self.clock
        )
        self.newest = NewestFrame(self.clock)
        self.messages: list[tuple[str, bytes]] = []

    def infer(self, frames: Sequence[Frame], **more: Any) -> None:
        """Run the engine's thread on frames, one by one."""
        waiting = ScriptedFrames(frames, self.clock)
        loop = InferenceLoop(
            thing=THING,
            models=self.models,
            newest=waiting,
            settings=self.settings,
            outbox=self.outbox,
            heartbeat=self.heartbeat,
            reports=self.reports,
            clock=self.clock,
            wait=self.clock.wait,
            **more,
        )
        waiting.loop = loop
        with self._spooling():
            loop.run()

    def capture(self, script: Sequence[Frame | Exception], **camera: Any) -> ScriptedCamera:
        """Run the camera's thread; return the camera."""
        scripted = ScriptedCamera(list(script), self.clock, **camera)
        loop = CaptureLoop(
            camera=scripted,
            newest=self.newest,
            settings=self.settings,
            reports=self.reports,
            clock=self.clock,
            wait=self.clock.wait,
        )
        scripted.loop = loop
        with self._spooling():
            loop.run()
        return scripted

    @property
    def reported(self) -> dict[str, Any]:
        """What the heartbeat would say now."""
        reported: dict[str, Any] = self.heartbeat.document()["state"]["reported"]
        return reported

    @contextmanager
    def _spooling(self) -> Iterator[None]:
        thread = threading.Thread(target=self.outbox.run)
        thread.start()
        try:
            yield
        finally:
            self.outbox.stop()
            thread.join(HANG_SECONDS)
            assert not thread.is_alive()
        while message := self.spool.oldest():
            self.messages.append((message.topic, message.payload))
            self.spool.remove(message.sequence)
