"""The heartbeat has one definition for writers, readers, schema and documentation."""

import json
from dataclasses import fields
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages.heartbeat import (
    FIELDS,
    DiskSpace,
    DriftReport,
    Heartbeat,
    Latency,
    ModelIdentity,
)
from tools import message_reference

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
HEARTBEAT = Heartbeat(
    status="running",
    model=ModelIdentity("shapes", "1.0.0", "0" * 64),
    function="arn:aws:lambda:eu-central-1:111111111111:function:f:1",
    frames=7,
    detections=3,
    frames_per_second=2.0,
    latency_ms=Latency(10.0, 20.0),
    disk=DiskSpace(5, 10),
    drift=DriftReport(30, 0.1, 0.2, 0.3, 0.4, ("labels",)),
    temperature_celsius=-3.5,
    heartbeat_interval_seconds=60.0,
)


def test_a_reader_returns_what_a_writer_wrote() -> None:
    document = json.loads(json.dumps(HEARTBEAT.to_shadow()))
    assert Heartbeat.from_shadow(document) == HEARTBEAT


def test_an_update_contains_only_its_members() -> None:
    document = HEARTBEAT.to_shadow(("status", "frames"))
    assert document == {"state": {"reported": {"status": "running", "frames": 7}}}


@pytest.mark.parametrize("document", [None, [], {}, {"state": {}}, {"state": {"reported": {}}}])
def test_a_shadow_without_a_report_has_no_heartbeat(document: Any) -> None:
    assert Heartbeat.from_shadow(document) is None


def test_fields_of_another_release_are_ignored_and_missing_ones_are_none() -> None:
    heartbeat = Heartbeat.from_reported({"status": "running", "future": {"value": 1}})
    assert heartbeat == Heartbeat(status="running")


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_report_can_be_read(reported: dict[str, Any]) -> None:
    assert isinstance(Heartbeat.from_reported(reported), Heartbeat)


def test_the_page_contains_the_generated_tables() -> None:
    page = message_reference.PAGE.read_text(encoding="utf-8")
    assert message_reference.with_tables(page) == page, "run `make reference`"


@pytest.mark.parametrize("variant", [message_reference.CAMERA, message_reference.INSTALLATION])
def test_schemas_are_valid_and_contain_each_field(variant: message_reference.Variant) -> None:
    schema = variant.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    reported = schema["properties"]["state"]["properties"]["reported"]
    assert tuple(reported["properties"]) == variant.names
    assert set(variant.names) <= {entry.name for entry in fields(Heartbeat)}
