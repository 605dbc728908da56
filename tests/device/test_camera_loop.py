import json
import logging
from typing import Any

import jsonschema
import pytest

from camera.errors import CameraError, PublishError
from tests.device.bench import CIRCLE, MODEL, TOPIC, Bench, frame
from tests.device.schemas import DETECTION_MESSAGE, ERROR_MESSAGE
from vision.detections import Box, Detection
from vision.errors import ArtifactError

DARK = CameraError("dark")


def documents(bench: Bench) -> list[dict[str, Any]]:
    assert {topic for topic, _ in bench.sent.messages} <= {TOPIC}
    return [json.loads(payload) for _, payload in bench.sent.messages]


def detections(bench: Bench) -> list[dict[str, Any]]:
    return [document for document in documents(bench) if "detections" in document]


def errors(bench: Bench) -> list[dict[str, Any]]:
    found = [document for document in documents(bench) if "error" in document]
    for document in found:
        jsonschema.validate(document, ERROR_MESSAGE)
    return found


def test_each_frame_with_a_detection_is_a_message() -> None:
    bench = Bench([frame("a.png"), frame("b.png")])
    bench.run()
    for document in documents(bench):
        jsonschema.validate(document, DETECTION_MESSAGE)
    assert [found["frame"]["source"] for found in documents(bench)] == ["a.png", "b.png"]
    assert [found["frame"]["id"][-2:] for found in documents(bench)] == ["-1", "-2"]
    assert bench.reported["frames"] == 2
    assert bench.reported["model"]["digest"] == MODEL.digest


def test_a_frame_without_a_detection_counts_but_sends_nothing() -> None:
    bench = Bench([frame("a.png"), frame("b.png")])
    bench.engine.script = [[], [CIRCLE]]
    bench.run()
    assert [found["frame"]["source"] for found in documents(bench)] == ["b.png"]
    assert documents(bench)[0]["frame"]["id"].endswith("-2")
    assert bench.reported["frames"] == 2


def test_a_detection_below_the_threshold_is_left_out() -> None:
    bench = Bench([frame()], threshold=0.5)
    weak, exact = (Detection("star", score, Box(0, 0, 1, 1)) for score in (0.49, 0.5))
    bench.engine.script = [[CIRCLE, exact, weak]]
    bench.run()
    assert [one["label"] for one in documents(bench)[0]["detections"]] == ["circle", "star"]


def test_frames_keep_to_the_interval_without_drift() -> None:
    bench = Bench([frame()] * 5, frame_interval_seconds=1.0)
    bench.engine.takes_seconds = 0.3
    bench.run()
    assert bench.camera.captured_at == pytest.approx([100, 101, 102, 103, 104])


def test_an_engine_slower_than_the_interval_works_without_a_pause_and_without_a_rush() -> None:
    bench = Bench([frame()] * 4, frame_interval_seconds=1.0)
    bench.engine.takes_seconds = 2.5
    bench.run()
    assert bench.camera.captured_at == pytest.approx([100, 102.5, 105, 107.5])
    assert bench.clock.waits == []


def test_a_failing_camera_is_asked_again_after_growing_pauses() -> None:
    bench = Bench([DARK] * 8 + [frame()])
    bench.run()
    assert bench.clock.waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(detections(bench)) == 1


def test_a_success_shortens_the_pause_again() -> None:
    bench = Bench([DARK, DARK, frame(), DARK, frame()], frame_interval_seconds=0.5)
    bench.run()
    assert bench.clock.waits == [1, 2, 0.5, 1, 0.5]


def test_a_failure_makes_the_camera_failing_and_a_frame_makes_it_running_again() -> None:
    bench = Bench([frame(), DARK])
    bench.run()
    assert bench.reported["status"] == "failing"
    assert bench.reported["last_error"]["message"] == "dark"
    bench = Bench([DARK, frame()])
    bench.run()
    assert bench.reported["status"] == "running"
    assert bench.reported["last_error"]["message"] == "dark"


def test_the_same_error_is_reported_at_doubling_counts_only() -> None:
    bench = Bench([CameraError("dark") for _ in range(20)])
    bench.run()
    assert [document["error"]["consecutive"] for document in errors(bench)] == [1, 2, 4, 8, 16]
    assert bench.reported["last_error"]["consecutive"] == 20


def test_one_broken_picture_in_a_folder_is_not_reported_in_every_round() -> None:
    bench = Bench([frame("a.png"), CameraError("'b.png' is not a readable picture")] * 16)
    bench.run()
    assert len(errors(bench)) == 5
    assert {document["error"]["consecutive"] for document in errors(bench)} == {1}
    assert len(detections(bench)) == 16


def test_a_new_error_is_reported_at_once() -> None:
    bench = Bench([DARK, DARK, DARK, CameraError("wet")])
    bench.run()
    assert [document["error"]["message"] for document in errors(bench)] == ["dark", "dark", "wet"]


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), ValueError("shape"), KeyError(1)])
def test_whatever_an_engine_raises_the_loop_goes_on(error: Exception) -> None:
    bench = Bench([frame("a.png"), frame("b.png")])
    bench.engine.script = [error, [CIRCLE]]
    bench.run()
    assert errors(bench)[0]["error"]["type"] == type(error).__name__
    assert [found["frame"]["source"] for found in detections(bench)] == ["b.png"]


def test_scores_that_are_no_numbers_are_not_published() -> None:
    bench = Bench([frame()])
    bench.engine.script = [[Detection("circle", float("inf"), Box(0, 0, 1, 1))]]
    bench.run()
    assert detections(bench) == []
    assert errors(bench)[0]["error"]["type"] == "ValueError"


def test_a_model_that_cannot_be_loaded_is_tried_again_and_reported_without_a_model() -> None:
    bench = Bench([frame()], load_failures=[ArtifactError("model.zip: SHA-256 is wrong")] * 3)
    bench.run()
    assert bench.clock.waits[:3] == [1, 2, 4]
    assert [document["model"] for document in errors(bench)] == [None, None]
    assert errors(bench)[0]["error"]["message"] == "model.zip: SHA-256 is wrong"
    assert len(detections(bench)) == 1


def test_a_model_is_loaded_once() -> None:
    bench = Bench([frame(), DARK, frame()], load_failures=[])
    bench.run()
    assert len(detections(bench)) == 2


def test_a_broken_connection_counts_as_failure_and_does_not_end_the_loop() -> None:
    bench = Bench([frame("a.png"), frame("b.png"), frame("c.png")])
    # The detection and the error message about it, twice.
    bench.sent.failures = [PublishError("no core") for _ in range(4)]
    bench.run()
    assert bench.clock.waits[:2] == [1, 2]
    assert [found["frame"]["source"] for found in detections(bench)] == ["c.png"]
    assert bench.reported["status"] == "running"
    assert bench.reported["last_error"]["type"] == "PublishError"
    assert bench.reported["last_error"]["consecutive"] == 2


def test_a_publisher_that_never_works_again_does_not_end_the_loop() -> None:
    bench = Bench([frame()] * 50)
    bench.sent.failures = [RuntimeError("no core") for _ in range(1000)]
    bench.run()
    assert len(bench.camera.captured_at) == 50
    assert bench.reported["last_error"]["consecutive"] == 50


def test_an_expected_failure_has_no_traceback_and_a_bug_has_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench([DARK, frame()])
    bench.engine.script = [ZeroDivisionError("division by zero")]
    with caplog.at_level(logging.ERROR, "camera.loop"):
        bench.run()
    assert [bool(record.exc_info) for record in caplog.records] == [False, True]
    assert caplog.records[0].message == "failure 1 in a row: CameraError: dark"
