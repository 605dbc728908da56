"""If a device reports invalid values, the release of the other devices does not fail."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.fleet.device_state import ReceivedHeartbeat
from shared.fleet.queries import FleetQueries


class Shadows:
    """A double of AWS IoT's shadows, with the same document for every thing."""

    class exceptions:  # noqa: N801 - boto3's name
        """The exceptions of a boto3 client."""

        class ResourceNotFoundException(Exception):  # noqa: N818 - boto3's name
            """The error for a thing without a shadow."""

    def __init__(self, reported: Any) -> None:
        self._document = {"version": 3, "state": {"reported": reported}}

    def get_thing_shadow(self, **_: str) -> dict[str, Any]:
        return {"payload": io.BytesIO(json.dumps(self._document).encode())}


def heartbeat(reported: Any) -> ReceivedHeartbeat:
    received = FleetQueries(None, Shadows(reported), None).last_heartbeat("front-door")
    assert isinstance(received, ReceivedHeartbeat)
    return received


@pytest.mark.parametrize(
    "value", ["x", -1, float("nan"), float("inf"), 10**400, True, None, [], {}, "1"]
)
def test_a_number_that_is_none_is_zero(value: object) -> None:
    found = heartbeat({"frames": value, "detections": value, "frames_per_second": value})
    assert (found.frames, found.detections, found.frames_per_second) == (0, 0, 0.0)


@pytest.mark.parametrize("value", ["x", -1, 1.5, float("nan"), 2**60, True, None, [], {}, "1"])
def test_bytes_that_are_no_number_of_bytes_are_not_known(value: object) -> None:
    found = heartbeat({"disk": {"free_bytes": value}, "memory": {"available_bytes": value}})
    assert (found.disk_free_bytes, found.reported.memory.available_bytes) == (None, None)


def test_free_disk_and_memory_are_those_of_the_report() -> None:
    found = heartbeat({"disk": {"free_bytes": 7}, "memory": {"available_bytes": 0}})
    assert (found.disk_free_bytes, found.reported.memory.available_bytes) == (7, 0)


def test_text_is_bounded_and_can_be_printed() -> None:
    hostile = "\x1b]0;x\x07\u202e\n" * 10_000
    found = heartbeat(
        {
            "status": hostile,
            "model": {"digest": hostile, "version": hostile},
            "function": hostile,
            "last_error": {"message": hostile},
            "last_frame_at": hostile,
        }
    )
    for text in (found.status, found.model_digest, found.function_arn, found.last_error):
        assert text is not None
        assert text.isprintable()
        assert len(text) < 10_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["status", "model", "function", "frames", "last_error", "started_at", "disk", "memory"]
        ),
        JSON,
        min_size=1,
    )
)
def test_any_report_is_a_heartbeat(reported: dict[str, Any]) -> None:
    assert heartbeat(reported).thing == "front-door"
