"""The camera shuts its parts down in order, even if parts block or fail."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from camera import greengrass
from camera.application import Application, FailureHeartbeat, Parts
from camera.dynamic_settings import ShadowListener
from camera.errors import PublishError, SpoolError
from camera.frames import Frame
from camera.greengrass import GreengrassPublisher, GreengrassSubscriber
from camera.heartbeat import HeartbeatReporter
from camera.inference import InferenceLoop, RunnableModel
from camera.live_view import LiveView
from camera.spool import Entry, Spool
from testkit.waiting import HANG_SECONDS, eventually
from tests.device.bench import (
    THING,
    TOPIC,
    Bench,
    Clock,
    ScriptedEngine,
    ScriptedModels,
    Sent,
    dynamic_settings,
    frame,
    settings,
)


class Scene:
    """A camera that returns one scene, and records that it was closed."""

    is_live = is_stream = False

    def __init__(self) -> None:
        self.is_closed = False
        # The event is clear while the driver does not respond.
        self.responds = threading.Event()
        self.responds.set()
        self.is_blocked = threading.Event()

    def capture(self) -> Frame:
        if not self.responds.is_set():
            self.is_blocked.set()
        assert self.responds.wait(HANG_SECONDS)
        return frame()

    def close(self) -> None:
        self.is_closed = True


class Connection(Sent):
    """A publisher that records that it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True

    def detections(self) -> int:
        return sum(topic == TOPIC for topic, _ in self.messages)


class Loop:
    """An application with scripted parts."""

    def __init__(self, folder: Path, *, live_view: LiveView | None = None) -> None:
        self.camera, self.publisher = Scene(), Connection()
        self.spool = Spool(folder / "state")
        self.application = Application(
            settings(
                state_directory=folder / "state",
                dynamic=dynamic_settings(frame_interval_seconds=0.02),
            ),
            Parts(
                camera=self.camera,
                models=ScriptedModels(ScriptedEngine(Clock())),
                publisher=self.publisher,
                subscriber=None,
                spool=self.spool,
                live_view=live_view,
            ),
        )

    def assert_spool_is_closed(self) -> None:
        with pytest.raises(SpoolError, match="closed database"):
            self.spool.oldest()


def test_nothing_is_started_to_stop_a_loop_with_all_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = LiveView(port=0, thing=THING, threshold=0.5, state_directory=tmp_path / "state")
    loop = Loop(tmp_path, live_view=view)
    loop.application.start()
    eventually(loop.publisher.detections)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError(f"can't create new thread at interpreter shutdown: {thread.name}")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert loop.application.stop(HANG_SECONDS) == []
    assert loop.camera.is_closed
    assert loop.publisher.is_closed
    assert json.loads(loop.publisher.messages[-1][1])["state"]["reported"]["status"] == "stopped"
    loop.assert_spool_is_closed()


def test_a_part_that_cannot_be_stopped_does_not_prevent_closing_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    view = LiveView(port=0, thing=THING, threshold=0.5, state_directory=tmp_path / "state")
    loop = Loop(tmp_path, live_view=view)
    loop.application.start()
    eventually(loop.publisher.detections)
    stop = view.stop

    def fail() -> None:
        stop()
        raise OSError("Read-only file system")

    monkeypatch.setattr(view, "stop", fail)
    assert loop.application.stop(HANG_SECONDS) == []
    assert "Read-only file system" in caplog.text
    assert loop.publisher.is_closed
    loop.assert_spool_is_closed()


def test_a_driver_that_does_not_respond_is_named_and_the_spool_is_closed(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.application.start()
    eventually(loop.publisher.detections)
    loop.camera.responds.clear()
    loop.camera.is_blocked.wait(HANG_SECONDS)
    try:
        assert loop.application.stop() == ["CaptureLoop"]
        assert loop.publisher.is_closed
        loop.assert_spool_is_closed()
    finally:
        loop.camera.responds.set()
    eventually(lambda: loop.camera.is_closed)


def test_a_loop_that_was_not_started_can_be_stopped(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    assert loop.application.stop() == []
    loop.assert_spool_is_closed()


def test_heartbeats_without_a_loop_end_with_the_last_one() -> None:
    publisher = Connection()
    heartbeat = HeartbeatReporter(
        thing=THING,
        function_arn=None,
        engine="openvino",
        interval_seconds=3600.0,
        publisher=publisher,
    )
    only = FailureHeartbeat(heartbeat, publisher)
    only.start()
    assert only.stop() == []
    assert json.loads(publisher.messages[-1][1])["state"]["reported"]["status"] == "stopped"
    assert publisher.is_closed


def test_a_spool_in_use_is_not_closed_and_not_waited_for(tmp_path: Path) -> None:
    spool, inside, leave = Spool(tmp_path), threading.Event(), threading.Event()

    def use() -> None:
        with spool._changed:  # noqa: SLF001 - simulates a thread inside a slow write
            inside.set()
            leave.wait(HANG_SECONDS)

    thread = threading.Thread(target=use)
    thread.start()
    inside.wait(HANG_SECONDS)
    assert not spool.close(0.0)
    leave.set()
    thread.join(HANG_SECONDS)
    assert spool.close(HANG_SECONDS)
    with pytest.raises(SpoolError, match="closed database"):
        spool.add([Entry("topic", b"{}")])


def test_a_publisher_that_connects_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    connecting, leave = threading.Event(), threading.Event()

    def connect(_timeout_seconds: float) -> Any:
        connecting.set()
        leave.wait(HANG_SECONDS)
        raise TimeoutError

    monkeypatch.setattr(greengrass, "_connect", connect)
    publisher = GreengrassPublisher()

    def publish() -> None:
        with pytest.raises(PublishError):
            publisher.publish("topic", b"{}")

    thread = threading.Thread(target=publish)
    thread.start()
    connecting.wait(HANG_SECONDS)
    closing = threading.Thread(target=publisher.close)
    closing.start()
    closing.join(HANG_SECONDS)
    still_connecting = thread.is_alive()
    leave.set()
    thread.join(HANG_SECONDS)
    assert still_connecting


def test_a_subscriber_that_was_closed_before_does_not_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(_timeout_seconds: float) -> Any:
        raise AssertionError("it connects")

    monkeypatch.setattr(greengrass, "_connect", connect)
    subscriber = GreengrassSubscriber()
    subscriber.close()
    subscriber.subscribe(["topic"], lambda _topic, _payload: None, lambda: None)


class Flood:
    """A subscriber that delivers settings faster than the camera applies settings."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def subscribe(self, topics: Any, receive: Any, on_ready: Any) -> None:
        del on_ready
        while not self.closed.is_set():
            receive(topics[1], b'{"state": {"settings": {}}}')

    def close(self) -> None:
        self.closed.set()


def test_settings_that_arrive_faster_than_they_apply_do_not_delay_the_stop() -> None:
    using, leave = threading.Event(), threading.Event()

    def apply(_desired: Any) -> bool:
        using.set()
        return leave.wait(HANG_SECONDS)

    shadow = ShadowListener(thing=THING, subscriber=Flood(), publisher=Sent(), apply_desired=apply)
    running = threading.Thread(target=shadow.run)
    running.start()
    using.wait(HANG_SECONDS)
    eventually(shadow._received.full)  # noqa: SLF001 - the test checks a full queue
    stopping = threading.Thread(target=shadow.stop)
    stopping.start()
    stopping.join(HANG_SECONDS)
    was_stopped = not stopping.is_alive()
    leave.set()
    running.join(HANG_SECONDS)
    assert was_stopped
    assert not running.is_alive()


class Interrupted(ScriptedModels):
    """A provider whose load fails because of the stop."""

    loop: InferenceLoop

    def load(self) -> RunnableModel:
        self.loop.stop()
        raise RuntimeError("cannot schedule new futures after shutdown")


def test_an_error_of_the_engine_after_the_stop_is_not_a_failure_of_the_model() -> None:
    bench = Bench()
    models = Interrupted(bench.engine)
    models.loop = InferenceLoop(
        thing=THING,
        models=models,
        newest=bench.newest,
        settings=bench.settings,
        outbox=bench.outbox,
        heartbeat=bench.heartbeat,
        reporter=bench.reporter,
    )
    models.loop.run()
    assert bench.reported["errors"] == 0
