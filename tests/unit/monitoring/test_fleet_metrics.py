"""A camera's messages become metrics that CloudWatch accepts, whatever the messages contain."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from fleet_metrics import deployments, handler, lines
from fleet_metrics.emf import NAMESPACE, MetricsLine, value

GOLDEN = Path(__file__).resolve().parents[2] / "synth" / "golden"
STACK = "arn:aws:cloudformation:eu-central-1:111111111111:stack"
NOW_MS = 1_763_700_000_000
MESSAGE = {
    "id": "run-1",
    "thing": "camera-1",
    "model": {"name": "shapes", "version": "1.0.0", "digest": "0" * 64},
    "frame": {"captured_at": "2025-11-21T04:00:00.000Z", "source": "a.png"},
    "inference_ms": 12.5,
    "detections": [{"label": "circle"}, {"label": "circle"}, {"label": "square"}],
}
HEARTBEAT = {
    "status": "running",
    "model": {"digest": "0" * 64},
    "frames_per_second": 2.0,
    "latency_ms": {"p50": 10.0, "p95": 20.0},
    "spool": {"fill": 0.25},
    "temperature_celsius": None,
    "disk": {"free_bytes": 5_000_000_000, "total_bytes": 16_000_000_000},
    "memory": {"available_bytes": 700_000_000, "total_bytes": 2_000_000_000},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPLENS_ENVIRONMENT", "dev")
    monkeypatch.setenv("DEEPLENS_RELEASE_STACK", "dev-Inference")


def rendered(event: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line.render("dev")) for line in lines(event, NOW_MS)]


def test_a_detection_message_is_counted_once_and_by_label() -> None:
    whole, circles, squares = rendered(MESSAGE)
    assert whole["Detections"] == 3
    assert whole["InferenceTime"] == 12.5
    assert whole["model"]["version"] == "1.0.0"
    assert (circles["Label"], circles["Detections"]) == ("circle", 2)
    assert (squares["Label"], squares["Detections"]) == ("square", 1)
    assert circles["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Environment", "Label"]]


def test_detections_that_a_message_had_no_room_for_are_counted() -> None:
    whole, circles, _ = rendered({**MESSAGE, "omitted": 7})
    assert whole["Detections"] == 10
    assert circles["Detections"] == 2


def test_a_message_that_waited_has_the_time_of_its_frame() -> None:
    assert rendered(MESSAGE)[0]["_aws"]["Timestamp"] == 1_763_697_600_000


@pytest.mark.parametrize("captured_at", ["yesterday", "1970-01-01T00:00:00Z", "2090-01-01", None])
def test_a_time_that_cannot_be_is_the_time_of_arrival(captured_at: str | None) -> None:
    event = {**MESSAGE, "frame": {"captured_at": captured_at}}
    assert rendered(event)[0]["_aws"]["Timestamp"] == NOW_MS


def test_a_heartbeat_is_kept_for_the_fleet_and_for_its_thing() -> None:
    (line,) = rendered({"heartbeat": HEARTBEAT, "thing": "camera-1"})
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [
        ["Environment"],
        ["Environment", "Thing"],
    ]
    assert (line["Heartbeats"], line["Failing"], line["LatencyP95"]) == (1, 0, 20.0)
    assert line["SpoolFill"] == 0.25
    assert (line["DiskFree"], line["MemoryAvailable"]) == (5_000_000_000, 700_000_000)
    assert "Temperature" not in line
    assert line["heartbeat"]["model"]["digest"] == "0" * 64


@pytest.mark.parametrize("value", ["0", -1, 0.5, True, None, [], 10**400])
def test_a_free_disk_that_cannot_be_is_not_counted(value: object) -> None:
    (line,) = rendered({"heartbeat": {**HEARTBEAT, "disk": {"free_bytes": value}}, "thing": "c"})
    assert "DiskFree" not in line


def test_the_alarms_about_cameras_watch_metrics_of_their_heartbeats() -> None:
    template = json.loads((GOLDEN / "dev-Monitoring.json").read_text(encoding="utf-8"))
    watched = {
        resource["Properties"]["MetricName"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
        and resource["Properties"]["Namespace"] == NAMESPACE
    }
    (line,) = rendered({"heartbeat": HEARTBEAT, "thing": "camera-1"})
    [directive] = line["_aws"]["CloudWatchMetrics"]
    written = {metric["Name"] for metric in directive["Metrics"]}
    # FailedDeployments is written for another event, and UnverifiedRollbacks by the project's
    # handler.
    assert watched - written == {"FailedDeployments", "UnverifiedRollbacks"}
    assert "DiskFree" in watched


def test_the_last_heartbeat_of_a_camera_that_stops_counts_as_none() -> None:
    (line,) = rendered({"heartbeat": {**HEARTBEAT, "status": "stopped"}, "thing": "camera-1"})
    assert line["Heartbeats"] == 0


def test_a_failing_camera_counts_as_failing() -> None:
    (line,) = rendered({"heartbeat": {**HEARTBEAT, "status": "failing"}, "thing": "camera-1"})
    assert line["Failing"] == 1


def test_errors_and_dropped_messages_are_counted() -> None:
    (error,) = rendered({"error": {"type": "CameraError", "message": "no"}, "thing": "camera-1"})
    assert (error["Errors"], error["kind"]) == (1, "error")
    (dropped,) = rendered({"dropped": {"count": 7}, "thing": "camera-1"})
    assert dropped["DroppedMessages"] == 7


def test_a_broken_camera_makes_no_thousands_of_metrics() -> None:
    detections = [{"label": f"label {number}"} for number in range(1000)]
    assert len(rendered({**MESSAGE, "detections": detections})) == 21


def test_a_line_too_long_for_the_log_keeps_its_metrics() -> None:
    event = {"error": {"message": "x" * 300_000}, "thing": "camera-1"}
    (line,) = list(lines(event, NOW_MS))
    text = line.render("dev")
    assert len(text) < 2000
    assert json.loads(text)["Errors"] == 1


@given(st.text())
def test_any_text_is_a_dimension_that_cloudwatch_takes(text: str) -> None:
    made = value(text)
    assert made.isascii()
    assert made.strip()
    assert 0 < len(made) <= 255
    assert not made.startswith(":")


@given(st.dictionaries(st.sampled_from([*MESSAGE, "heartbeat", "error", "dropped"]), JSON))
def test_nothing_that_a_camera_sends_makes_it_fail(event: dict[str, Any]) -> None:
    for line in lines(event, NOW_MS):
        document = json.loads(line.render("dev"))
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                assert isinstance(document[metric["Name"]], int | float)
            for dimensions in directive["Dimensions"]:
                assert all(isinstance(document[name], str) for name in dimensions)


DEPLOYMENT = "11111111-2222-3333-4444-555555555555"
FAILED = {
    "detail-type": "Greengrass V2 Effective Deployment Status Change",
    "resources": ["arn:aws:greengrass:eu-central-1:111111111111:coreDevices:camera-1"],
    "detail": {
        "deploymentId": DEPLOYMENT, "coreDeviceExecutionStatus": "FAILED", "reason": "why",
    },
}  # fmt: skip


@pytest.fixture
def greengrass(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """AWS' client with a stub that validates requests and responses with the service model."""
    client = boto3.client("greengrassv2", region_name="eu-central-1")
    monkeypatch.setattr(deployments, "_greengrass", lambda: client)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def failures(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    handler(FAILED, None)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("tags", "counted"),
    [
        ({"deeplens:owner": f"{STACK}/dev-Inference/uuid/Project"}, 1),
        ({"deeplens:owner": f"{STACK}/staging-Inference/uuid/Project"}, 0),
        ({"deeplens:owner": f"{STACK}/other-dev-Inference/uuid/Project"}, 0),
        ({"owner": "somebody"}, 0),
        ({}, 0),
    ],
)
def test_only_its_own_environments_failed_deployments_count(
    greengrass: Stubber, capsys: pytest.CaptureFixture[str], tags: dict[str, str], counted: int
) -> None:
    arn = f"arn:aws:greengrass:eu-central-1:111111111111:deployments:{DEPLOYMENT}"
    greengrass.add_response("list_tags_for_resource", {"tags": tags}, {"resourceArn": arn})
    written = failures(capsys)
    assert len(written) == counted
    for line in written:
        assert (line["FailedDeployments"], line["thing"], line["reason"]) == (1, "camera-1", "why")


def test_a_failure_counts_although_its_owner_cannot_be_read(
    greengrass: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    greengrass.add_client_error("list_tags_for_resource", "AccessDeniedException", "not authorized")
    (line,) = failures(capsys)
    assert line["FailedDeployments"] == 1
    assert "AccessDeniedException" in line["owner"]


def test_a_deleted_deployment_does_not_count_and_does_not_fail(
    greengrass: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    greengrass.add_client_error("list_tags_for_resource", "ResourceNotFoundException", "deleted")
    assert failures(capsys) == []


def test_a_line_says_nothing_that_hides_its_own_metrics() -> None:
    line = MetricsLine(
        NOW_MS, {"Errors": (1, "Count")}, {"Errors": "none", "Environment": "production"}
    )
    document = json.loads(line.render("dev"))
    assert (document["Errors"], document["Environment"]) == (1, "dev")
