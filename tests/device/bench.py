"""A camera loop with scripted parts and a simulated clock."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from camera.capture import CaptureLoop
from camera.dynamic_settings import CurrentSettings, DynamicSettings
from camera.error_reporter import ErrorReporter
from camera.frames import CapturedFrame, Frame, NewestFrame
from camera.heartbeat import HeartbeatReporter
from camera.inference import InferenceLoop, RunnableModel
from camera.outbox import Outbox
from camera.settings import Settings
from camera.spool import Spool
from shared.messages.heartbeat import ModelIdentity
from shared.vision.detections import Box, Detection
from testkit.waiting import HANG_SECONDS

MODEL = ModelIdentity("shapes", "1.0.0", "ab" * 32)
CIRCLE = Detection("circle", 0.9, Box(0.1, 0.2, 0.3, 0.4))
THING = "front-door"
TOPIC = f"deeplens/{THING}/infer"


def settings(**changes: Any) -> Settings:
    """Return valid settings with these changes."""
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
        "dynamic": dynamic_settings(),
    }
    return Settings(**(given | changes))


def dynamic_settings(**changes: Any) -> DynamicSettings:
    """Return valid dynamic settings with these changes."""
    given: dict[str, Any] = {"threshold": 0.5, "frame_interval_seconds": 1.0}
    return DynamicSettings(**(given | changes))


def environment(**changes: str | None) -> dict[str, str]:
    """Return valid environment variables with these changes; None removes a variable."""
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
    """Return a grey frame of 6 x 4 pixels."""
    return Frame(np.full((4, 6, 3), 90, np.uint8), datetime(2026, 11, 21, 8, tzinfo=UTC), source)


@dataclass
class Clock:
    """A monotonic clock that advances only while a part waits or works."""

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
    """A publisher that raises the given errors, and then records messages."""

    failures: list[Exception] = field(default_factory=list)
    messages: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(self, topic: str, payload: bytes) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.messages.append((topic, payload))

    def close(self) -> None: ...


class Stoppable(Protocol):
    """An object with a method `stop`."""

    def stop(self) -> None: ...


@dataclass
class ScriptedCamera:
    """A camera that returns frames or raises errors of a script, and stops the loop at the end."""

    script: list[Frame | Exception]
    clock: Clock
    is_live: bool = False
    is_stream: bool = False
    # Each call of `capture` advances the clock by this time.
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
    """A source of scripted frames for the engine, which ends the loop with the last frame."""

    def __init__(self, script: Sequence[Frame], clock: Clock) -> None:
        super().__init__(clock)
        self.script = list(script)
        self.loop: Stoppable | None = None
        self._now = clock

    def take(self, wait_seconds: float) -> CapturedFrame | None:
        del wait_seconds
        step = self.script.pop(0)
        if not self.script and self.loop:
            self.loop.stop()
        return CapturedFrame(step, self._now())


@dataclass
class ScriptedEngine:
    """An engine that returns or raises scripted results, and then detects one circle per frame."""

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
    """A provider of one model that raises the given errors first."""

    engine: Any
    identity: ModelIdentity = MODEL
    failures: list[Exception] = field(default_factory=list)
    fallback_cause: Exception | None = None
    loads: int = 0
    frames: int = 0

    def load(self) -> RunnableModel:
        self.loads += 1
        if self.failures:
            raise self.failures.pop(0)
        return RunnableModel(self.identity, self.engine, self.fallback_cause)

    def frame_done(self) -> None:
        self.frames += 1

    def withdraw(self) -> None: ...


class Bench:
    """The parts of a loop, with methods that run one thread and drain the spool into `messages`."""

    def __init__(self, **changes: Any) -> None:
        self.clock = Clock()
        self.spool = Spool.in_memory()
        self.settings = CurrentSettings(dynamic_settings(**changes))
        self.engine = ScriptedEngine(self.clock)
        self.models = ScriptedModels(self.engine)
        self.outbox = Outbox(self.spool, thing=THING, topic=TOPIC, on_dropped=lambda _: None)
        self.heartbeat = HeartbeatReporter(
            thing=THING,
            function_arn=None,
            engine=self.engine.name,
            interval_seconds=5.0,
            publisher=Sent(),
            clock=self.clock,
        )
        self.reporter = ErrorReporter(
            thing=THING, heartbeat=self.heartbeat, outbox=self.outbox, clock=self.clock
        )
        self.newest = NewestFrame(self.clock)
        self.messages: list[tuple[str, bytes]] = []

    def infer(self, frames: Sequence[Frame], **more: Any) -> None:
        """Run the inference thread on these frames, in order."""
        waiting = ScriptedFrames(frames, self.clock)
        loop = InferenceLoop(
            thing=THING,
            models=self.models,
            newest=waiting,
            settings=self.settings,
            outbox=self.outbox,
            heartbeat=self.heartbeat,
            reporter=self.reporter,
            clock=self.clock,
            wait=self.clock.wait,
            **more,
        )
        waiting.loop = loop
        with self._spooling():
            loop.run()

    def capture(self, script: Sequence[Frame | Exception], **camera: Any) -> ScriptedCamera:
        """Run the capture thread on a script; return the scripted camera."""
        scripted = ScriptedCamera(list(script), self.clock, **camera)
        loop = CaptureLoop(
            camera=scripted,
            newest=self.newest,
            settings=self.settings,
            reporter=self.reporter,
            clock=self.clock,
            wait=self.clock.wait,
        )
        scripted.loop = loop
        with self._spooling():
            loop.run()
        return scripted

    @property
    def reported(self) -> dict[str, Any]:
        """The current content of the heartbeat."""
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
