"""Transcripts: patterns, files and recorded events."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local_aws.transcripts import events, generalizing, patterns
from local_aws.transcripts.generalizing import Generalizer

pytestmark = pytest.mark.unit

HEADER = {
    "title": "A deployment", "source": "a test", "date": "2026-11-30",
    "nucleus": "aws_nucleus_lite", "version": "2.6.0",
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet="ab/:-._$", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet="abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_a_value_without_placeholders_is_a_pattern_of_itself(value: Any) -> None:
    assert patterns.match(value, value, {}) == {}
    assert patterns.fill(value, {}) == value


@pytest.mark.parametrize(
    ("pattern", "value", "bindings"),
    [
        ("${job}", "j-1", {"job": "j-1"}),
        ("${time:integer}", 5, {"time": 5}),
        ("a/${thing}/jobs/${job}", "a/t/jobs/j", {"thing": "t", "job": "j"}),
        ("${thing}/${thing}", "t/t", {"thing": "t"}),
        (":${revision:integer}", ":12", {"revision": "12"}),
        ({"a": 1}, {"a": 1, "b": 2}, {}),
        (["${first}", "b"], ["b", "a"], {"first": "a"}),
        ([{"n": "${x}", "s": "R"}, {"n": "m"}], [{"n": "m"}, {"n": "c", "s": "R"}], {"x": "c"}),
        ({"${group}": {"v": "${_:integer}"}}, {"g": {"v": 1}}, {"group": "g"}),
    ],
)
def test_placeholders_are_bound(pattern: Any, value: Any, bindings: dict[str, Any]) -> None:
    assert patterns.match(pattern, value, {}) == bindings
    assert patterns.fill(pattern, dict(bindings)) is not None


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("${time:integer}", "5"),
        ("${time:integer}", True),
        ("${text:text}", 5),
        (["a"], ["a", "a"]),
        ([], ["a"]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": True}),
        ("${thing}/${thing}", "t/u"),
        ("a/${thing}", "a/t/u"),
        ({"a": "${job}", "b": "${job}"}, {"a": "1", "b": "2"}),
    ],
)
def test_other_values_do_not_match(pattern: Any, value: Any) -> None:
    assert patterns.match(pattern, value, {}) is None


def test_a_bound_placeholder_has_its_value() -> None:
    assert patterns.match("${job}", "j-2", {"job": "j-1"}) is None
    assert patterns.match("jobs/${job}", "jobs/j-1", {"job": "j-1"}) == {"job": "j-1"}
    bindings: dict[str, Any] = {"job": "j-1"}
    filled = patterns.fill({"j": "${job}", "t": "${token}", "u": "${token}"}, bindings)
    assert filled == {"j": "j-1", "t": bindings["token"], "u": bindings["token"]}
    assert isinstance(patterns.fill("${_:integer}", bindings), int)
    empty = patterns.fill(["${_:list}", "${_:object}", "${_:boolean}"], bindings)
    assert empty == [[], {}, False]
    assert set(bindings) == {"job", "token"}


def test_placeholders_of_unknown_types_are_rejected() -> None:
    with pytest.raises(patterns.PatternError, match="expected one of any, text, integer"):
        patterns.check({"a": ["${time:date}"]})


def connect(**more: Any) -> dict[str, Any]:
    return {"from": "device", "mqtt": "connect", "client_id": "${thing}", **more}


def test_a_transcript_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = [
        connect(version=5),
        {"from": "device", "https": "GET", "path": "/a"},
        {"from": "cloud", "https": 200, "body": {"ä": 1}},
        {"from": "operator", "do": "deploy", "components": {"camera": "1.2.3"}},
    ]
    file = tmp_path / "one.jsonl"
    file.write_text("".join(events.to_lines(HEADER, written)), encoding="utf-8")
    transcript = events.read(file)
    assert transcript.header == {"transcript": 1, **HEADER}
    assert list(transcript.events) == written


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], '"transcript": 1'),
        (["no JSON"], "expected JSON lines"),
        ([json.dumps({"transcript": 2})], '"transcript": 1'),
        ([json.dumps({"transcript": 1, "title": "t"})], "no source, date, nucleus, version"),
        ([..., "[]"], "event 1 is not valid: expected an object"),
        ([..., '{"from": "cloud", "mqtt": "connect"}'], "got cloud connect"),
        ([..., '{"from": "cloud"}'], "got cloud without a kind"),
        ([..., '{"from": "device", "mqtt": "subscribe"}'], "members topic and optionally qos"),
        ([..., json.dumps(connect(topic="a"))], "got client_id, topic"),
        ([..., json.dumps(connect(version="${v:date}"))], "a type that does not exist"),
        ([..., '{"from": "cloud", "https": 200}'], "a response of https follows its request"),
    ],
)
def test_a_file_that_is_not_a_transcript_is_rejected(
    tmp_path: Path, lines: list[Any], message: str
) -> None:
    file = tmp_path / "one.jsonl"
    first = json.dumps({"transcript": 1, **HEADER})
    file.write_text("\n".join(first if line is ... else line for line in lines))
    with pytest.raises(events.TranscriptError, match=message):
        events.read(file)


SECRETS = [
    {"credentials": {"accessKeyId": "ASIAABCDEFGHIJKLMNOP", "sessionToken": "t0ken"}},
    {"certificatePem": "-----BEGIN CERTIFICATE-----\nMIIC\n"},
    {"merge": {"camera": {"password": "hunter2"}, "api_key": ["s3cr3t"]}},
    {"preSignedUrl": "https://b.s3.amazonaws.com/k?versionId=1"},
    {"url": "https://b/k?X-Amz-Expires=1&X-Amz-Signature=abcdef"},
    {"source": "rtsp://admin:hunter2@10.0.0.9/stream"},
    {"note": "key AKIAABCDEFGHIJKLMNOP"},
    {"x-amz-security-token": "t0ken"},
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_removed(secret: dict[str, Any]) -> None:
    shown = json.dumps(generalizing.redacted({"a": [secret], "clientToken": "kept", "n": 1}))
    for text in ("ASIA", "AKIA", "t0ken", "MIIC", "hunter2", "s3cr3t", "abcdef", "versionId"):
        assert text not in shown
    assert "kept" in shown
    assert generalizing.REMOVED in shown


def generalizer() -> Generalizer:
    return Generalizer(thing="camera-1", account="111111111111", region="eu-central-1")


JOB = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
JOBS = "$aws/things/camera-1/jobs"
DOCUMENT = {
    "deploymentId": "d-1",
    "configurationArn": "arn:aws:greengrass:eu-central-1:111111111111"
    ":configuration:thinggroup/dev:7",
    "creationTimestamp": 1764000000000,
    "components": {"com.example.camera": {"version": "1.2.3"}},
}


def test_identifiers_and_times_become_placeholders() -> None:
    made = generalizer()
    (asked,) = made.patterns({
        "from": "device", "mqtt": "publish", "topic": f"{JOBS}/$next/namespace-n/get", "qos": 1,
        "payload": {"jobId": "$next", "thingName": "camera-1", "clientToken": "jobs-1"},
    })  # fmt: skip
    assert asked["topic"] == "$aws/things/${thing}/jobs/$next/namespace-n/get"
    assert asked["payload"] == {
        "jobId": "$next", "thingName": "${thing}", "clientToken": "${token1}",
    }  # fmt: skip
    deployed, answered = made.patterns({
        "from": "cloud", "mqtt": "publish", "topic": f"{JOBS}/$next/namespace-n/get/accepted",
        "payload": {
            "clientToken": "jobs-1", "timestamp": 1764000001,
            "execution": {"jobId": JOB, "status": "QUEUED", "jobDocument": DOCUMENT},
        },
    })  # fmt: skip
    assert deployed == {
        "from": "operator", "do": "deploy", "components": {"com.example.camera": "1.2.3"},
    }  # fmt: skip
    assert answered["payload"] == {
        "clientToken": "${token1}",
        "timestamp": "${_:integer}",
        "execution": {
            "jobId": "${job1}",
            "status": "QUEUED",
            "jobDocument": {
                "deploymentId": "${deployment1}",
                "configurationArn": "arn:aws:greengrass:${region}:${account}"
                ":configuration:thinggroup/dev:${_:integer}",
                "creationTimestamp": "${_:integer}",
                "components": {"com.example.camera": {"version": "1.2.3"}},
            },
        },
    }
    (updated,) = made.patterns({
        "from": "device", "mqtt": "publish", "topic": f"{JOBS}/{JOB}/namespace-n/update",
        "payload": {"status": "IN_PROGRESS"},
    })  # fmt: skip
    assert updated["topic"] == "$aws/things/${thing}/jobs/${job1}/namespace-n/update"


def test_payloads_of_other_topics_are_not_recorded() -> None:
    (pattern,) = generalizer().patterns({
        "from": "device", "mqtt": "publish", "topic": "deeplens/camera-1/infer",
        "payload": {"detections": ["person"]},
    })  # fmt: skip
    assert pattern["topic"] == "deeplens/${thing}/infer"
    assert pattern["payload"] == generalizing.REMOVED


@example("camera-1", {"timestamp": False})
@example("camera-1", {"timestamp": 1.5})
@given(
    st.sampled_from(["camera-1", "device", "publish", "thing", "a", "mqtt"]),
    st.dictionaries(
        st.sampled_from(["jobId", "clientToken", "timestamp", "note", "thingName", "deploymentId"]),
        st.sampled_from(["a", "thing", "camera-1", "$next", "${x}", "x/camera-1/y"])
        | st.integers()
        | JSON,
    ),
)
def test_a_recorded_event_is_a_pattern_of_itself(thing: str, payload: dict[str, Any]) -> None:
    event = {
        "from": "device", "mqtt": "publish", "qos": 0, "payload": payload,
        "topic": f"$aws/things/{thing}/greengrassv2/health/json",
    }  # fmt: skip
    made = Generalizer(thing=thing, account="111111111111", region="eu-central-1")
    (pattern,) = made.patterns(event)
    assert (pattern["from"], pattern["mqtt"]) == ("device", "publish")
    assert patterns.match(pattern, event, {}) is not None
