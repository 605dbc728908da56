"""Heartbeats: what docs/messages.md says a camera reports in its named shadow."""

from collections.abc import Iterator
from typing import Any

from fleet_metrics.emf import Metrics, MetricsLine
from fleet_metrics.json_access import count, number, text

_MEASURES = {
    "FramesPerSecond": (("frames_per_second",), "Count/Second"),
    "LatencyP50": (("latency_ms", "p50"), "Milliseconds"),
    "LatencyP95": (("latency_ms", "p95"), "Milliseconds"),
    "SpoolFill": (("spool", "fill"), "None"),
    "Temperature": (("temperature_celsius",), "None"),
}
# Numbers that are non-negative integers: a wrong value must not start an alarm.
_COUNTS = {
    "DiskFree": (("disk", "free_bytes"), "Bytes"),
    "MemoryAvailable": (("memory", "available_bytes"), "Bytes"),
}


def heartbeat_lines(event: dict[str, Any], now_ms: int) -> Iterator[MetricsLine]:
    """Yield the heartbeat's line; it counts at the time it arrived, cameras' clocks may be wrong.

    The last heartbeat of a camera that stops says so: it counts as none.
    """
    heartbeat = event["heartbeat"]
    thing, status = text(event, "thing"), text(heartbeat, "status")
    metrics: Metrics = {
        "Heartbeats": (0 if status == "stopped" else 1, "Count"),
        "Failing": (1 if status == "failing" else 0, "None"),
    }
    for name, (path, unit) in _MEASURES.items():
        amount = number(heartbeat, *path)
        if amount is not None:
            metrics[name] = (amount, unit)
    for name, (path, unit) in _COUNTS.items():
        amount = count(heartbeat, *path)
        if amount is not None:
            metrics[name] = (amount, unit)
    said = {"kind": "heartbeat", "thing": thing, "heartbeat": heartbeat}
    yield MetricsLine(now_ms, metrics, said, ({}, {"Thing": thing}))
