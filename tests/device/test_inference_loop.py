import json
import logging
import threading
from typing import Any

import jsonschema
import pytest

from camera.errors import CameraError
from shared.artifact.errors import ArtifactError
from shared.vision.detections import Box, Detection
from tests.device.bench import CIRCLE, MODEL, TOPIC, Bench, frame
from tests.device.schemas import DETECTION_MESSAGE, ERROR_MESSAGE


def documents(bench: Bench) -> list[dict[str, Any]]:
    assert {topic for topic, _ in bench.messages} <= {TOPIC}
    return [json.loads(payload) for _, payload in bench.messages]


def detections(bench: Bench) -> list[dict[str, Any]]:
    return [document for document in documents(bench) if "detections" in document]


def errors(bench: Bench) -> list[dict[str, Any]]:
    failures = [document for document in documents(bench) if "error" in document]
    for document in failures:
        jsonschema.validate(document, ERROR_MESSAGE)
    return failures


def test_each_frame_with_a_detection_is_a_message() -> None:
    bench = Bench()
    bench.infer([frame("a.png"), frame("b.png")])
    for document in documents(bench):
        jsonschema.validate(document, DETECTION_MESSAGE)
    assert [document["frame"]["source"] for document in documents(bench)] == ["a.png", "b.png"]
    assert [document["id"][-2:] for document in documents(bench)] == ["-1", "-2"]
    assert bench.reported["frames"] == 2
    assert bench.reported["model"]["digest"] == MODEL.digest


def test_a_frame_without_a_detection_counts_but_sends_nothing() -> None:
    bench = Bench()
    bench.engine.script = [[], [CIRCLE]]
    bench.infer([frame("a.png"), frame("b.png")])
    assert [document["frame"]["source"] for document in documents(bench)] == ["b.png"]
    assert bench.reported["frames"] == 2


def test_a_detection_below_the_threshold_is_not_published() -> None:
    bench = Bench(threshold=0.5)
    weak, exact = (Detection("star", score, Box(0, 0, 1, 1)) for score in (0.49, 0.5))
    bench.engine.script = [[CIRCLE, exact, weak]]
    bench.infer([frame()])
    assert [detection["label"] for detection in documents(bench)[0]["detections"]] == [
        "circle",
        "star",
    ]
    assert bench.reported["detections"] == 2


def test_a_frame_with_too_many_detections_is_published_with_the_best() -> None:
    bench = Bench()
    bench.engine.script = [[CIRCLE] * 3000]
    bench.infer([frame()])
    assert not errors(bench)
    (document,) = detections(bench)
    assert len(document["detections"]) + document["omitted"] == 3000
    assert document["omitted"] > 0
    assert bench.reported["detections"] == 3000


def test_a_changed_setting_applies_from_the_next_frame() -> None:
    bench = Bench(threshold=0.5)
    thresholds = [0.95, 0.5]

    class Shadow:
        """An observer that applies the next of `thresholds` after each frame, in another thread."""

        def observe(self, *_: object) -> None:
            if thresholds:
                desired = {"threshold": thresholds.pop(0)}
                thread = threading.Thread(target=bench.settings.apply_desired, args=(desired,))
                thread.start()
                thread.join()

    bench.infer([frame(f"{name}.png") for name in "abcd"], observers=[Shadow()])
    assert [document["frame"]["source"] for document in documents(bench)] == [
        "a.png",
        "c.png",
        "d.png",
    ]
    assert bench.models.loads == 1


def test_a_failing_engine_is_retried_after_increasing_pauses() -> None:
    bench = Bench()
    bench.engine.script = [RuntimeError("busy") for _ in range(8)]
    bench.infer([frame()] * 9)
    assert bench.clock.waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(detections(bench)) == 1
    assert bench.reported["status"] == "running"


def test_a_failure_makes_the_camera_failing_and_a_frame_makes_it_running_again() -> None:
    bench = Bench()
    bench.engine.script = [[CIRCLE], RuntimeError("broken")]
    bench.infer([frame(), frame()])
    assert bench.reported["status"] == "failing"
    assert bench.reported["last_error"]["message"] == "broken"


def test_an_error_is_published_once_and_then_counted() -> None:
    bench = Bench()
    bench.engine.script = [RuntimeError("broken") for _ in range(20)]
    bench.infer([frame()] * 20)
    assert [document["error"]["consecutive"] for document in errors(bench)] == [1]
    assert bench.reported["last_error"]["consecutive"] == 20
    assert bench.reported["errors"] == 20


def test_a_new_error_is_published_at_once() -> None:
    bench = Bench()
    bench.engine.script = [RuntimeError("dark"), RuntimeError("dark"), RuntimeError("wet")]
    bench.infer([frame()] * 3)
    assert [document["error"]["message"] for document in errors(bench)] == ["dark", "wet"]


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), ValueError("shape"), KeyError(1)])
def test_after_any_error_of_an_engine_the_loop_continues(error: Exception) -> None:
    bench = Bench()
    bench.engine.script = [error, [CIRCLE]]
    bench.infer([frame("a.png"), frame("b.png")])
    assert errors(bench)[0]["error"]["type"] == type(error).__name__
    assert [document["frame"]["source"] for document in detections(bench)] == ["b.png"]


def test_scores_that_are_not_numbers_are_not_published() -> None:
    bench = Bench()
    bench.engine.script = [[Detection("circle", float("inf"), Box(0, 0, 1, 1))]]
    bench.infer([frame()])
    assert detections(bench) == []
    assert errors(bench)[0]["error"]["type"] == "ValueError"


def test_a_message_above_the_limit_is_an_error_and_does_not_block() -> None:
    bench = Bench()
    long = Detection("x" * 200_000, 0.9, Box(0, 0, 1, 1))
    bench.engine.script = [[long], [CIRCLE]]
    bench.infer([frame("a.png"), frame("b.png")])
    assert "accepts at most 131072" in errors(bench)[0]["error"]["message"]
    assert [document["frame"]["source"] for document in detections(bench)] == ["b.png"]


def test_a_model_that_cannot_be_loaded_is_retried_and_reported_without_a_model() -> None:
    bench = Bench()
    bench.models.failures = [ArtifactError("model.zip: SHA-256 is wrong") for _ in range(3)]
    bench.infer([frame()])
    assert bench.clock.waits == [1, 2, 4]
    assert [document["model"] for document in errors(bench)] == [None]
    assert errors(bench)[0]["error"]["message"] == "model.zip: SHA-256 is wrong"
    assert len(detections(bench)) == 1


def test_a_model_is_loaded_once() -> None:
    bench = Bench()
    bench.engine.script = [[CIRCLE], RuntimeError("busy"), [CIRCLE]]
    bench.infer([frame()] * 3)
    assert bench.models.loads == 1


def test_the_cause_of_a_fallback_is_reported() -> None:
    bench = Bench()
    bench.models.fallback_cause = ArtifactError("the deployed model abc cannot run")
    bench.infer([frame()])
    assert errors(bench)[0]["error"]["message"] == "the deployed model abc cannot run"
    assert bench.reported["status"] == "running"
    assert len(detections(bench)) == 1


def test_the_latency_is_measured_from_the_camera_to_the_decision() -> None:
    bench = Bench()
    bench.engine.takes_seconds = 0.25
    bench.infer([frame()] * 3)
    assert bench.reported["latency_ms"] == {"p50": 250.0, "p95": 250.0}


def test_an_expected_failure_has_no_traceback_and_a_bug_has_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.engine.script = [CameraError("dark"), ZeroDivisionError("division by zero")]
    with caplog.at_level(logging.ERROR, "camera.error_reporter"):
        bench.infer([frame()] * 3)
    assert [bool(record.exc_info) for record in caplog.records] == [False, True]
    assert caplog.records[0].message == "CameraError: dark (occurrence 1)"
