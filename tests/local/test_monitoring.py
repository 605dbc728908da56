"""If a camera stops, its alarm enters the ALARM state on the emulator."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deeplens.config import load_environment
from model_tools.samples.shapes.drawing import write_scenes
from testkit.account_keys import client
from testkit.checkout import ROOT, Checkout, heartbeat, virtual_camera, watch
from testkit.waiting import eventually

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(1200)]

CAMERA = "dev-camera-1"


class Cloud:
    """Clients of the emulator in dev's account."""

    def __init__(self, checkout: Checkout) -> None:
        self._endpoint = checkout.root / ".local/aws/endpoint.json"

    def client(self, service: str) -> Any:
        return client(service, self._endpoint, "111111111111")

    def outputs(self, stack: str) -> dict[str, str]:
        (found,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}

    def alarm(self, name: str) -> str:
        """Return the state of the alarm whose construct id is `name`."""
        paginator = self.client("cloudwatch").get_paginator("describe_alarms")
        (state,) = (
            alarm["StateValue"]
            for page in paginator.paginate()
            for alarm in page["MetricAlarms"]
            if re.search(rf"Fleet{name}[0-9A-F]{{8}}", alarm["AlarmName"])
        )
        return str(state)

    def total(self, metric: str, statistic: str, **dimensions: str) -> float:
        now = datetime.now(UTC)
        dimensions = {"Environment": "dev", **dimensions}
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace="DeepLens",
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=7200,
            Statistics=[statistic],
        )["Datapoints"]
        return sum(float(point[statistic]) for point in points)


@contextmanager
def watched(checkout: Checkout) -> Iterator[None]:
    """During the block, configure dev for one camera and an alarm after 1 min without heartbeat."""
    file = checkout.root / "environments/dev.toml"
    before = file.read_text(encoding="utf-8")
    text = before.replace("[fleet]\n", f'[fleet]\nthings = ["{CAMERA}"]\n')
    file.write_text(f"{text}\n[monitoring]\nno_heartbeat_minutes = 1\n", encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


def inbox(cloud: Cloud) -> Callable[[], list[dict[str, Any]]]:
    """Subscribe a queue to the alarm topic; return a function that returns new messages."""
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName="received")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    topic = cloud.outputs("dev-Monitoring")["AlarmTopicArn"]
    queue_arn = attributes["Attributes"]["QueueArn"]
    from_topic = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [from_topic]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)

    def received() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for one in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
        return [json.loads(json.loads(one["Body"])["Message"]) for one in messages]

    return received


def test_a_camera_that_stops_raises_its_alarm_and_people_are_notified(deployed: Checkout) -> None:
    checkout = deployed
    write_scenes(checkout.root / ".local/scenes", 6, seed=0)
    with watched(checkout):
        checkout.demo("deploy", "dev")
    cloud = Cloud(checkout)
    received = inbox(cloud)
    silence = f"NoHeartbeat{CAMERA.replace('-', '')}"

    with virtual_camera(checkout):
        watch(checkout, 4)
        eventually(lambda: cloud.alarm(silence) == "OK", "the heartbeat arrived", seconds=400)
        assert cloud.alarm("NoHeartbeat") == "OK"
        digest = load_environment(ROOT / "environments/dev.toml").model.digest
        assert heartbeat(checkout)["model"]["digest"] == digest
        eventually(lambda: cloud.total("Detections", "Sum") >= 4, "detections", seconds=400)
        assert cloud.total("Detections", "Sum", Label="circle") > 0
        assert cloud.total("FramesPerSecond", "Maximum", Thing=CAMERA) > 0
        assert cloud.total("LatencyP95", "Maximum") > 0
        logs = cloud.client("logs").filter_log_events(
            logGroupName=cloud.outputs("dev-Monitoring")["LogGroupName"],
            filterPattern="heartbeat",
        )["events"]
        lines = [json.loads(event["message"]) for event in logs if event["message"].startswith("{")]
        beats = [
            line for line in lines if line["kind"] == "heartbeat" and line["heartbeat"]["model"]
        ]
        assert beats[-1]["heartbeat"]["model"]["digest"] == digest
        received()

    eventually(lambda: cloud.alarm(silence) == "ALARM", "the alarm without heartbeats", seconds=400)
    notifications: list[dict[str, Any]] = []
    eventually(
        lambda: notifications.extend(received()) or len(notifications) >= 2,
        "two notifications",
        seconds=400,
    )
    assert {one["NewStateValue"] for one in notifications} == {"ALARM"}
    assert any(
        "no datapoints" in one["NewStateReason"] or "[0]" in one["NewStateReason"]
        for one in notifications
    )
    assert any(CAMERA in one["AlarmDescription"] for one in notifications)
    assert cloud.alarm("MetricsFunction") == "OK"
