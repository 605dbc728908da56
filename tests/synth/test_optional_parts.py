"""Optional parts of an environment appear only if they are configured."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deeplens.assembly import by_environment, read_assembly, text
from deeplens.config import load_environment
from deeplens.policy import violations
from tests.synth.synthesis import ROOT, synthesize, with_everything

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def optional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of the committed environments and of `full`; dev has no monitoring."""
    folder = tmp_path_factory.mktemp("optional")
    with_everything(folder, load_environment(ROOT / "environments/dev.toml").model.digest)
    dev = folder / "dev.toml"
    before = dev.read_text(encoding="utf-8")
    dev.write_text(f"{before}\n[monitoring]\nenabled = false\n", encoding="utf-8")
    result = synthesize(folder / "out", folder)
    assert result.returncode == 0, result.stderr
    return folder / "out"


def alarms(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    ]


def test_an_environment_with_everything_breaks_no_rule(optional: Path) -> None:
    for name, stacks in by_environment(read_assembly(optional)).items():
        assert [str(finding) for finding in violations(stacks)] == [], name


def test_monitoring_can_be_left_away(optional: Path) -> None:
    names = {stack.name for stack in read_assembly(optional)}
    assert "dev-Monitoring" not in names
    assert "staging-Monitoring" in names


def test_each_listed_camera_has_an_alarm_and_each_address_a_subscription(optional: Path) -> None:
    (template,) = (
        stack.template for stack in read_assembly(optional) if stack.name == "full-Monitoring"
    )
    silent = [
        alarm["Dimensions"] for alarm in alarms(template) if alarm["MetricName"] == "Heartbeats"
    ]
    things = {
        dimension["Value"]
        for dimensions in silent
        for dimension in dimensions
        if dimension["Name"] == "Thing"
    }
    assert things == {"full-camera-1", "full-camera-2"}
    assert len(silent) == 3
    assert '"ops@example.com"' in json.dumps(template)


def test_the_dashboard_shows_what_somebody_on_duty_asks(optional: Path) -> None:
    (template,) = (
        stack.template for stack in read_assembly(optional) if stack.name == "full-Monitoring"
    )
    (dashboard,) = (
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Dashboard"
    )
    widgets = json.loads(text(dashboard["DashboardBody"]))["widgets"]
    shown = {widget["properties"]["title"]: json.dumps(widget["properties"]) for widget in widgets}
    for name in (
        "FramesPerSecond",
        "LatencyP50",
        "LatencyP95",
        "SpoolFill",
        "DiskFree",
        "MemoryAvailable",
        "Errors",
        "FailedDeployments",
        "count_distinct(thing)",
        "heartbeat.model.digest",
    ):
        assert any(name in properties for properties in shown.values()), name
    assert "Environment,Label" in shown["Detections per label"]
    for properties in shown.values():
        assert not re.search(r"production|staging", properties)


def test_the_disk_alarm_is_for_the_fullest_camera_and_has_the_threshold_of_the_file(
    optional: Path,
) -> None:
    thresholds = {}
    for stack in read_assembly(optional):
        for alarm in alarms(stack.template):
            if alarm["MetricName"] == "DiskFree":
                assert (alarm["Statistic"], alarm["ComparisonOperator"]) == (
                    "Minimum",
                    "LessThanThreshold",
                )
                thresholds[stack.name] = alarm["Threshold"]
    assert thresholds["full-Monitoring"] == 1500 * 1024 * 1024
    # The size of the pinned model determines the threshold, and this model is small.
    assert thresholds["staging-Monitoring"] == 256 * 1024 * 1024


def test_the_alarms_are_those_of_the_docs(optional: Path) -> None:
    page = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    (template,) = (
        stack.template for stack in read_assembly(optional) if stack.name == "full-Monitoring"
    )
    made = {
        re.sub(r"^Fleet|[0-9A-F]{8}$", "", logical_id)
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    for camera in ("fullcamera1", "fullcamera2"):
        made.remove(f"NoHeartbeat{camera}")
    assert made == set(re.findall(r"^\| `(\w+)` \|", page.split("## Alarms")[1], re.MULTILINE))
