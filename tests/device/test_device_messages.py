import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera.messages import (
    LARGEST_MESSAGE_BYTES,
    detection_message,
    dropped_message,
    error_message,
    error_report,
)
from camera.outbox import MessageIds
from shared.messages.heartbeat import timestamp
from shared.vision.detections import Box, Detection
from tests.device.bench import CIRCLE, MODEL, THING, frame
from tests.device.schemas import (
    DETECTION_MESSAGE,
    DROPPED_MESSAGE,
    ERROR_MESSAGE,
    HEARTBEAT,
    INSTALLATION_HEARTBEAT,
    fields,
)

ID = MessageIds().next()
DOCUMENTED = Path(__file__).parents[2] / "docs" / "messages.md"


def message(detection: Detection = CIRCLE, source: str = "scene-0001.png") -> bytes:
    return detection_message(
        thing=THING,
        model=MODEL,
        message_id=MessageIds().next(),
        frame=frame(source),
        inference_ms=12.34567,
        detections=[detection],
    )


def test_a_detection_message_has_labels_boxes_and_the_model() -> None:
    document = json.loads(message())
    jsonschema.validate(document, DETECTION_MESSAGE)
    assert document["model"] == {"name": "shapes", "version": "1.0.0", "digest": "ab" * 32}
    assert document["inference_ms"] == 12.346
    assert document["frame"] == {
        "captured_at": "2026-11-21T08:00:00.000Z",
        "source": "scene-0001.png",
        "width_px": 6,
        "height_px": 4,
    }
    assert document["detections"] == [
        {
            "label": "circle",
            "score": 0.9,
            "box": {"ymin": 0.1, "xmin": 0.2, "ymax": 0.3, "xmax": 0.4},
        }
    ]


@pytest.mark.parametrize("count", [1000, 5000, 20_000])
def test_a_message_has_the_best_detections_that_fit_and_counts_the_others(count: int) -> None:
    detections = [replace(CIRCLE, score=1 - number / count) for number in range(count)]

    def message_of(some: list[Detection]) -> bytes:
        return detection_message(
            thing=THING,
            model=MODEL,
            message_id=ID,
            frame=frame(),
            inference_ms=12.34567,
            detections=some,
        )

    largest = message_of(detections)
    document = json.loads(largest)
    jsonschema.validate(document, DETECTION_MESSAGE)
    published = document["detections"]
    assert document["omitted"] == count - len(published)
    assert [detection["score"] for detection in published] == [
        detection.score for detection in detections[: len(published)]
    ]
    assert len(largest) <= LARGEST_MESSAGE_BYTES
    # The message has no room for one more detection.
    room = LARGEST_MESSAGE_BYTES - len(largest)
    assert count == len(published) or room < len(json.dumps(published[-1])) + len(", ")


def test_a_frame_with_detections_never_has_an_empty_message() -> None:
    document = json.loads(message(source="x" * LARGEST_MESSAGE_BYTES))
    assert (len(document["detections"]), document["omitted"]) == (1, 0)


@pytest.mark.parametrize("model", [MODEL, None])
def test_an_error_message_has_the_type_the_text_and_the_count(model: None) -> None:
    document = json.loads(error_message(THING, ID, model, error_report(OSError("gone"), 3)))
    jsonschema.validate(document, ERROR_MESSAGE)
    assert document["error"] | {"at": "…"} == {
        "type": "OSError",
        "message": "gone",
        "at": "…",
        "consecutive": 3,
    }


@given(label=st.text(min_size=1), source=st.text(min_size=1))
def test_labels_and_file_names_cannot_break_the_json(label: str, source: str) -> None:
    document = json.loads(message(replace(CIRCLE, label=label), source))
    jsonschema.validate(document, DETECTION_MESSAGE)
    assert document["detections"][0]["label"] == label


def test_a_surrogate_in_a_file_name_becomes_a_question_mark() -> None:
    assert json.loads(message(source="a\udc80.png"))["frame"]["source"] == "a?.png"


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_represent_is_not_sent(score: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        message(Detection("circle", score, Box(0, 0, 1, 1)))


def test_a_long_error_fits_into_a_shadow_of_eight_kib() -> None:
    report = error_report(ValueError("\x00" * 100_000), 1)
    assert len(error_message(THING, ID, MODEL, report)) < 4096


def test_an_error_without_text_has_a_description() -> None:
    assert error_report(AssertionError(), 1).message == "no further description"


def test_a_dropped_message_has_the_count_the_time_and_the_reason() -> None:
    since = "2026-11-21T08:00:00.000Z"
    document = json.loads(dropped_message(THING, ID, count=3, since=since, reason="disk full"))
    jsonschema.validate(document, DROPPED_MESSAGE)
    assert document["dropped"] == {"count": 3, "since": since, "reason": "disk full"}


def test_ids_count_within_a_run_and_differ_between_runs() -> None:
    first, second = MessageIds(), MessageIds()
    run, number = first.next().split("-")
    assert number == "1"
    assert first.next() == f"{run}-2"
    assert second.next() != f"{run}-1"


def test_times_are_utc_in_every_time_zone() -> None:
    moment = datetime(2026, 11, 21, 10, 30, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(moment) == "2026-11-21T08:30:00.000Z"
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= datetime.fromisoformat(timestamp()) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("heading", "schema"),
    [
        ("Detection message", DETECTION_MESSAGE),
        ("Error message", ERROR_MESSAGE),
        ("Dropped message", DROPPED_MESSAGE),
        ("Heartbeat", HEARTBEAT["properties"]["state"]["properties"]["reported"]),
        (
            "Heartbeat of an installation",
            INSTALLATION_HEARTBEAT["properties"]["state"]["properties"]["reported"],
        ),
    ],
)
def test_the_documentation_lists_exactly_the_fields_of_each_message(
    heading: str, schema: dict[str, object]
) -> None:
    section = DOCUMENTED.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| `")]
    assert [row.strip("`") for row in rows] == fields(schema)
