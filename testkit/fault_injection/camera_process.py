"""The loop under test, in a separate process: `camera_process.py PLAN.json`.

Only frames and inference are test doubles. Threads, spool, delivery and Greengrass' IPC client on a
real socket are those of a camera. The plan contains the faults of this process. Journals contain
the ids of created, stored and unacknowledged messages; only the oracle reads them.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from camera import frame_checks
from camera.application import Application, Parts
from camera.dynamic_settings import DynamicSettings
from camera.errors import CameraError, PublishError
from camera.frames import Frame
from camera.greengrass import GreengrassPublisher, ResultPublisher
from camera.inference import RunnableModel
from camera.model_loader import ModelLoader
from camera.settings import Settings
from camera.spool import Entry, Spool
from shared.messages.heartbeat import ModelIdentity
from shared.vision.detections import Box, Detection

THING = "front-door"
TOPIC = f"deeplens/{THING}/infer"
_STOP_SECONDS = 120.0
IDENTITY = ModelIdentity("numbers", "1.0.0", "ab" * 32)


class Killer:
    """A trigger that kills this process with SIGKILL when it reaches a point for the n-th time."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._point = plan.get("kill_at")
        self._left = plan.get("kill_after", 5)

    def reach(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


class Journal:
    """A file that still contains each written line after a SIGKILL."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, line: str) -> None:
        os.write(self._descriptor, f"{line}\n".encode())


class JournallingSpool(Spool):
    """A spool that journals the ids of stored messages.

    The plan can kill the process before, during and after each addition or removal.
    """

    def __init__(self, plan: dict[str, Any], killer: Killer, stored: Journal) -> None:
        self._killer = killer
        self._stored = stored
        self._commit_seconds = plan.get("commit_seconds", 0.0)
        self._doing = ""
        more = {"limit_bytes": plan["limit_bytes"]} if "limit_bytes" in plan else {}
        super().__init__(Path(plan["state"]), **more)
        self._database.set_trace_callback(self._trace)

    def add(self, entries: Sequence[Entry]) -> None:
        self._killer.reach("before it is spooled")
        self._doing = "within the commit"
        super().add(entries)
        self._killer.reach("after it is spooled")
        for entry in entries:
            self._stored.write(json.loads(entry.payload)["id"])

    def remove(self, sequence: int) -> None:
        self._killer.reach("after the acknowledgement")
        self._doing = "within the removal"
        super().remove(sequence)
        self._killer.reach("after the removal")

    def _trace(self, statement: str) -> None:
        if statement == "COMMIT":
            self._killer.reach(self._doing)
            if self._doing == "within the commit":
                time.sleep(self._commit_seconds)


class KillablePublisher:
    """A publisher over Greengrass' IPC that can kill the process before sending a message.

    The ids of unacknowledged messages are written to a journal, because these messages may arrive
    twice.
    """

    def __init__(self, publisher: ResultPublisher, killer: Killer, unanswered: Journal) -> None:
        self._publisher = publisher
        self._killer = killer
        self._unanswered = unanswered

    def publish(self, topic: str, payload: bytes) -> None:
        if topic != TOPIC:
            self._publisher.publish(topic, payload)
            return
        self._killer.reach("before it is sent")
        try:
            self._publisher.publish(topic, payload)
        except PublishError as error:
            if "cannot be reached" not in str(error):
                self._unanswered.write(json.loads(payload)["id"])
            raise

    def close(self) -> None:
        self._publisher.close()


class NumberCamera:
    """A camera that writes a number into each frame, and simulates the fault of the plan.

    The fault begins with frame `camera_at`, and ends when the file `camera_repaired` exists.
    """

    is_live = True
    is_stream = False

    def __init__(self, plan: dict[str, Any]) -> None:
        self._fault = plan.get("camera_fault")
        self._at = plan.get("camera_at", 10)
        self._repaired = Path(plan["camera_repaired"])
        self._number = 0
        self._random = np.random.default_rng(1)
        self._frozen: Any = None

    def capture(self) -> Frame:
        number = self._number + 1
        image = self._random.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        image[0, 0] = [number >> 16, (number >> 8) & 255, number & 255]
        if self._fault and number >= self._at and not self._repaired.exists():
            image = self._fail(image)
        else:
            self._number = number
        return Frame(image, datetime.now(UTC), f"{number}")

    def close(self) -> None: ...

    def _fail(self, image: Any) -> Any:
        if self._fault == "is gone":
            raise CameraError("/dev/video0 cannot be opened; there is no such device")
        if self._fault == "raises":
            raise RuntimeError("a bug in the driver")
        if self._fault == "truncates":
            image[30:] = 128
        if self._fault == "freezes":
            self._frozen = image if self._frozen is None else self._frozen
            return self._frozen
        while self._fault == "blocks" and not self._repaired.exists():
            time.sleep(0.01)
        return image


class NumberEngine:
    """An engine that returns a frame's number as a detection's label; none after the last frame.

    With `allocates_at`, three inferences from this frame on request 16 GiB of memory.
    """

    name = "numbers"
    fallback: str | None = None

    def __init__(self, plan: dict[str, Any], on_end: Callable[[], None]) -> None:
        self._frames = plan["frames"]
        self._seconds = plan.get("engine_seconds", 0.0)
        self._allocates_at = plan.get("allocates_at")
        self._allocations = 3
        self._on_end = on_end
        self._has_ended = False

    def infer(self, frame: Any) -> list[Detection]:
        number = int(frame[0, 0, 0]) << 16 | int(frame[0, 0, 1]) << 8 | int(frame[0, 0, 2])
        time.sleep(self._seconds)
        if self._allocates_at and number >= self._allocates_at and self._allocations:
            self._allocations -= 1
            np.ones(1 << 34, np.uint8)
        if number > self._frames:
            if not self._has_ended:
                self._has_ended = True
                self._on_end()
            return []
        return [Detection(f"{number}", 0.9, Box(0.1, 0.1, 0.5, 0.5))]


class OneModel:
    """A provider of one model without an artifact, with the given engine."""

    def __init__(self, engine: NumberEngine) -> None:
        self._engine = engine

    def load(self) -> RunnableModel:
        return RunnableModel(IDENTITY, self._engine)

    def frame_done(self) -> None: ...

    def withdraw(self) -> None: ...


def main(plan: dict[str, Any]) -> None:
    if plan.get("memory_limit_mib"):
        limit = plan["memory_limit_mib"] << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if "frozen_seconds" in plan:
        frame_checks._FROZEN_SECONDS = plan["frozen_seconds"]  # noqa: SLF001 - ten seconds are too long for a test
    killer = Killer(plan)
    decided, stored = Journal(Path(plan["decided"])), Journal(Path(plan["stored"]))
    engine = NumberEngine(plan, on_end=lambda: decided.write("end"))
    spool = JournallingSpool(plan, killer, stored)

    def open_engine(artifact: Any) -> NumberEngine:
        if artifact.digest == plan["model"].get("crashes"):
            os.abort()
        return engine

    model = plan.get("model")
    application = Application(
        Settings(
            thing=THING,
            function_arn=None,
            artifact=Path("model.zip"),
            model_directory=Path("model"),
            model_digest=model["digest"] if model else IDENTITY.digest,
            camera="numbers",
            engine="openvino",
            topic=TOPIC,
            heartbeat_interval_seconds=0.5,
            dynamic=DynamicSettings(
                threshold=0.5, frame_interval_seconds=plan.get("interval_seconds", 0.01)
            ),
        ),
        Parts(
            camera=NumberCamera(plan),
            models=ModelLoader(
                archive=Path(model["archive"]),
                directory=Path(model["directory"]),
                digest=model["digest"],
                state_directory=Path(plan["state"]),
                open_engine=open_engine,
            )
            if model
            else OneModel(engine),
            publisher=KillablePublisher(
                # Some faults need a shorter timeout than the product's default.
                GreengrassPublisher(timeout_seconds=plan.get("publish_seconds", 5.0)),
                killer,
                Journal(Path(plan["unanswered"])),
            ),
            subscriber=None,
            spool=spool,
        ),
    )
    send = application.outbox.send

    def send_and_note(build: Callable[[str], bytes]) -> None:
        def built(id_: str) -> bytes:
            payload = build(id_)
            decided.write(id_)
            killer.reach("before it is queued")
            return payload

        send(built)

    application.outbox.send = send_and_note  # type: ignore[method-assign]
    # The interrupted thread may hold an event's lock, so the signal handler writes to a pipe
    # instead of setting an event.
    ended, end = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(end, b"\0"))
    application.start()
    os.read(ended, 1)
    # The oracle measures the duration of the stop. The limit is high, because a busy machine is
    # slower than a camera.
    os._exit(0 if not application.stop(_STOP_SECONDS) else 3)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
