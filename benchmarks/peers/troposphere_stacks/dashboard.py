"""One page of CloudWatch that says how the fleet is."""

import json
from typing import Any

from troposphere import Sub, cloudwatch

from benchmarks.peers.troposphere_stacks.stack import Stack

_HALF, _WHOLE = 12, 24
_HEIGHT = 6


def add_dashboard(stack: Stack, log: Any) -> None:
    """Add the dashboard; rows are listed from top to bottom."""
    environment = stack.environment
    name = environment.name
    by_thing = "Environment,Thing"
    rows = [
        [
            _search("Frames per second", name, by_thing, "FramesPerSecond", "Average"),
            _graph(
                "Latency, picture to decision (ms): median and worst camera's p95",
                _metric(name, "LatencyP50", "p50, average of the cameras"),
                _metric(name, "LatencyP95", "p95, slowest camera", stat="Maximum"),
            ),
        ],
        [
            _search("Detections per label", name, "Environment,Label", "Detections", "Sum"),
            _logs(
                "Devices reporting",
                log,
                {"view": "timeSeries", "stacked": False},
                "filter kind = 'heartbeat'",
                "stats count_distinct(thing) as devices by bin(5m)",
            ),
        ],
        [
            _logs(
                "Model on each device",
                log,
                {"view": "table"},
                "filter kind = 'heartbeat'",
                "stats latest(heartbeat.model.name) as model, latest(heartbeat.model.version) as "
                "version, latest(heartbeat.model.digest) as digest, latest(heartbeat.status) as "
                "status, latest(@timestamp) as last by thing",
                width=_WHOLE,
            )
        ],
        [
            _graph(
                "Errors, dropped and unreadable messages, failed deployments",
                _metric(name, "Errors", "errors", stat="Sum"),
                _metric(name, "DroppedMessages", "dropped messages", stat="Sum"),
                _metric(name, "UnreadableMessages", "unreadable messages", stat="Sum"),
                _metric(name, "FailedDeployments", "failed deployments", stat="Sum"),
            ),
            _search("Spool fill (share of 1)", name, by_thing, "SpoolFill", "Maximum"),
        ],
        [
            _search("Free disk (bytes)", name, by_thing, "DiskFree", "Minimum"),
            _search("Available memory (bytes)", name, by_thing, "MemoryAvailable", "Minimum"),
        ],
        [
            _logs(
                "Newest errors",
                log,
                {"view": "table"},
                "filter kind in ['error', 'dropped', 'unreadable', 'failed-deployment']",
                "fields @timestamp, thing, kind, coalesce(error.message, dropped.reason, reason) "
                "as why",
                "sort @timestamp desc",
                "limit 20",
                width=_WHOLE,
            )
        ],
    ]
    widgets = [
        {**widget, "x": column * _HALF, "y": row * _HEIGHT, "height": _HEIGHT}
        for row, columns in enumerate(rows)
        for column, widget in enumerate(columns)
    ]
    body = json.dumps({"start": "-PT3H", "widgets": widgets})
    stack.add(cloudwatch.Dashboard("PageDashboard", DashboardBody=Sub(body)))


def _metric(environment: str, name: str, label: str, **statistic: str) -> list[Any]:
    options = {"label": label, "period": 60, **statistic}
    return ["DeepLens", name, "Environment", environment, options]


def _search(
    title: str, environment: str, dimensions: str, name: str, statistic: str
) -> dict[str, Any]:
    search = f'{{DeepLens,{dimensions}}} MetricName="{name}" Environment="{environment}"'
    expression = f"SEARCH('{search}', '{statistic}', 60)"
    return _graph(title, [{"expression": expression, "period": 60}])


def _graph(title: str, *metrics: list[Any]) -> dict[str, Any]:
    properties = {"view": "timeSeries", "title": title, "metrics": metrics, "yAxis": {}}
    return _widget("metric", properties)


def _logs(
    title: str, log: Any, look: dict[str, Any], *query: str, width: int = _HALF
) -> dict[str, Any]:
    text = f"SOURCE '${{{log.title}}}' | " + "\n| ".join(query)
    return _widget("log", {"title": title, "query": text, **look}, width)


def _widget(type_: str, properties: dict[str, Any], width: int = _HALF) -> dict[str, Any]:
    properties = {**properties, "region": "${AWS::Region}"}
    return {"type": type_, "width": width, "properties": properties}
