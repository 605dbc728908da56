import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import jsonschema
import pytest

from camera.errors import CameraError, PublishError
from camera.heartbeat import HeartbeatReporter
from camera.messages import error_report
from shared.messages.heartbeat import ErrorReport
from shared.messages.wire import written
from testkit.waiting import HANG_SECONDS, eventually
from tests.device.bench import MODEL, THING, Clock, Sent, dynamic_settings
from tests.device.schemas import HEARTBEAT

SECTIONS = {
    "picture": lambda: "ok",
    "dropped": lambda: {"frames": 0, "messages": 0},
    "spool": lambda: {"messages": 0, "bytes": 0, "fill": 0.0, "corrupt": 0},
    "disk": lambda: {"free_bytes": 9 << 30, "total_bytes": 16 << 30},
    "memory": lambda: None,
    "temperature_celsius": lambda: None,
    "drift": lambda: None,
    "crops": lambda: None,
    "settings": dynamic_settings().reported,
    "settings_refused": lambda: None,
}
SHADOW = f"$aws/things/{THING}/shadow/name/deeplens/update"
FUNCTION = "arn:aws:lambda:eu-central-1:111111111111:function:deeplens-dev:7"


def heartbeat(sent: Sent, *, interval_seconds: float = 60.0, **more: Any) -> HeartbeatReporter:
    return HeartbeatReporter(
        thing=THING,
        function_arn=FUNCTION,
        engine="tensorflow",
        interval_seconds=interval_seconds,
        publisher=sent,
        **more,
    )


def reported(sent: Sent) -> list[dict[str, Any]]:
    return [json.loads(payload)["state"]["reported"] for _, payload in sent.messages]


def statuses(sent: Sent) -> list[str]:
    return [state["status"] for state in reported(sent)]


@contextmanager
def running(beating: HeartbeatReporter) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=beating.run)
    thread.start()
    try:
        yield thread
    finally:
        beating.stop()
        thread.join(HANG_SECONDS)
        assert not thread.is_alive()


def test_the_first_report_is_sent_immediately_and_the_last_is_stopped() -> None:
    sent = Sent()
    with running(heartbeat(sent)):
        eventually(lambda: len(sent.messages) == 1)
    assert statuses(sent) == ["starting", "stopped"]
    assert {topic for topic, _ in sent.messages} == {SHADOW}


def test_every_report_has_the_shape_that_the_cloud_reads() -> None:
    sent = Sent()
    beating = heartbeat(sent, sections=SECTIONS)
    with running(beating):
        eventually(lambda: len(sent.messages) == 1)
        beating.loaded(MODEL, "openvino-gpu", "gpu does not compute what the CPU computes")
        beating.frame_done(0.02)
        eventually(lambda: len(sent.messages) == 2)
        beating.failed(error_report(CameraError("dark"), 1))
        eventually(lambda: len(sent.messages) == 3)
    for _, payload in sent.messages:
        jsonschema.validate(json.loads(payload), HEARTBEAT)
    starting, works, failing, stopped = reported(sent)
    assert starting["model"] is None
    assert [starting["engine"], works["engine"]] == ["tensorflow", "openvino-gpu"]
    assert starting["engine_fallback"] is None
    assert works["engine_fallback"] == "gpu does not compute what the CPU computes"
    assert starting["function"] == FUNCTION
    assert works["status"] == "running"
    assert works["model"] == {"name": "shapes", "version": "1.0.0", "digest": "ab" * 32}
    assert works["frames"] == 1
    assert failing["status"] == "failing"
    assert failing["last_error"]["type"] == "CameraError"
    assert failing["last_error"]["message"] == "dark"
    assert stopped["started_at"] == starting["started_at"]


def test_detections_are_counted_since_the_start() -> None:
    beating = heartbeat(Sent())
    for count in (2, 0, 1):
        beating.frame_done(0.02, detections=count)
    assert beating.document()["state"]["reported"]["detections"] == 3


def test_without_a_change_a_report_is_sent_at_the_interval() -> None:
    sent = Sent()
    beating = heartbeat(sent, interval_seconds=7.5)
    waits: list[float | None] = []

    def passes(holds: Callable[[], bool], seconds: float | None = None) -> bool:
        waits.append(seconds)
        if len(waits) == 3:
            beating.stop()
        return holds()

    with patch.object(beating._updated, "wait_for", passes):  # noqa: SLF001 - the test simulates the wait
        beating.run()
    assert statuses(sent) == ["starting"] * 3 + ["stopped"]
    assert waits == [7.5] * 3


def test_frames_alone_are_no_change() -> None:
    sent = Sent()
    beating = heartbeat(sent)
    with running(beating):
        beating.frame_done(0.02)
        eventually(lambda: "running" in statuses(sent))
        for _ in range(50):
            beating.frame_done(0.02)
        assert not beating._has_update()  # noqa: SLF001 - the reporting thread waits for this condition
    assert statuses(sent).count("running") == 1


def test_nothing_is_noted_after_the_stop() -> None:
    sent = Sent()
    beating = heartbeat(sent)
    beating.stop()
    beating.frame_done(0.02)
    beating.run()
    assert statuses(sent) == ["stopped"]


@pytest.mark.parametrize("failure", [PublishError("no core"), RuntimeError("bug")])
def test_a_report_that_cannot_be_sent_is_tried_again(failure: Exception) -> None:
    sent = Sent(failures=[failure])
    with running(heartbeat(sent)):
        eventually(lambda: len(sent.messages) == 1)
    assert statuses(sent) == ["starting", "stopped"]


def test_an_unreachable_cloud_does_not_delay_the_end() -> None:
    sent = Sent(failures=[PublishError("no core")] * 100)
    beating = heartbeat(sent)
    with running(beating) as thread:
        eventually(lambda: len(sent.failures) < 100)
        beating.stop()
        tried = 100 - len(sent.failures)
        thread.join(HANG_SECONDS)
    # After the stop, the current attempt ends, and one more attempt follows without a pause.
    assert 100 - len(sent.failures) <= tried + 2


def rate(beating: HeartbeatReporter) -> float:
    return float(beating.document()["state"]["reported"]["frames_per_second"])


def test_the_rate_is_measured_over_the_last_thirty_seconds() -> None:
    clock = Clock()
    beating = heartbeat(Sent(), clock=clock)
    clock.now_seconds += 1000
    beating.loaded(MODEL)
    for _ in range(100):
        clock.now_seconds += 0.5
        beating.frame_done(0.02)
    assert rate(beating) == pytest.approx(2, abs=0.1)
    clock.now_seconds += 15
    assert rate(beating) == pytest.approx(1, abs=0.1)
    clock.now_seconds += 16
    assert rate(beating) == 0


def test_the_time_that_loading_the_model_took_does_not_count() -> None:
    clock = Clock()
    beating = heartbeat(Sent(), clock=clock)
    clock.now_seconds += 25
    beating.loaded(MODEL)
    for _ in range(20):
        clock.now_seconds += 0.5
        beating.frame_done(0.02)
    assert rate(beating) == pytest.approx(2)


def test_the_first_frame_does_not_result_in_a_high_rate() -> None:
    beating = heartbeat(Sent(), clock=Clock())
    beating.loaded(MODEL)
    beating.frame_done(0.02)
    assert rate(beating) == 1


def test_a_heartbeat_always_fits_into_a_shadow() -> None:
    """A heartbeat fits into a shadow; AWS IoT rejects larger documents."""
    labels = [f"{number:03d} " + "é" * 196 for number in range(200)]
    sections = {**SECTIONS, "settings": lambda: {"labels": labels}, "crops": lambda: {"files": 7}}
    beating = heartbeat(Sent(), sections=sections)
    beating.degraded(ErrorReport("Error", "\x00" * 500, "2026-11-30T00:00:00.000Z", 1))
    state = beating.document()["state"]["reported"]
    assert len(json.dumps(state, ensure_ascii=False).encode()) < 8 << 10
    assert (state["settings"], state["omitted"]) == (None, ["settings"])
    assert state["crops"] == {"files": 7}
    small = heartbeat(Sent(), sections=SECTIONS).document()["state"]["reported"]
    assert small["omitted"] is None
    assert small["settings"] == written(SECTIONS["settings"]())
