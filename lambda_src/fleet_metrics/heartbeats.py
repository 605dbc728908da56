"""Metrics from heartbeats of cameras."""

from collections.abc import Iterator
from typing import Any

from fleet_metrics.emf import Metrics, MetricsLine
from fleet_metrics.json_access import text
from shared.messages.heartbeat import Heartbeat


def heartbeat_lines(event: dict[str, Any], now_ms: int) -> Iterator[MetricsLine]:
    """Yield the line of a heartbeat.

    The line contains the time of arrival, because the clocks of cameras can be wrong. The last
    heartbeat of a camera that stops is not counted.
    """
    heartbeat = Heartbeat.from_reported(event["heartbeat"])
    metrics: Metrics = {
        "Heartbeats": (0 if heartbeat.status == "stopped" else 1, "Count"),
        "Failing": (1 if heartbeat.status == "failing" else 0, "None"),
    }
    latency, spool = heartbeat.latency_ms, heartbeat.spool
    disk, memory = heartbeat.disk, heartbeat.memory
    # An invalid number must not cause an alarm, so no metric is written for it.
    optional = {
        "FramesPerSecond": (heartbeat.frames_per_second, "Count/Second"),
        "LatencyP50": (latency.p50 if latency else None, "Milliseconds"),
        "LatencyP95": (latency.p95 if latency else None, "Milliseconds"),
        "SpoolFill": (spool.fill if spool else None, "None"),
        "Temperature": (heartbeat.temperature_celsius, "None"),
        "DiskFree": (disk.free_bytes if disk else None, "Bytes"),
        "MemoryAvailable": (memory.available_bytes if memory else None, "Bytes"),
    }
    metrics |= {
        name: (float(value), unit) for name, (value, unit) in optional.items() if value is not None
    }
    thing = text(event, "thing")
    details = {"kind": "heartbeat", "thing": thing, "heartbeat": event["heartbeat"]}
    yield MetricsLine(now_ms, metrics, details, ({}, {"Thing": thing}))
