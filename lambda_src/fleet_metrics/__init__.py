"""Metrics and logs of messages, heartbeats and failed deployments.

IoT rules deliver messages and heartbeats with the thing name from their topic. EventBridge delivers
Greengrass' notifications about deployments. Each event becomes lines in the Embedded Metric Format,
which contain the event and the metrics that CloudWatch Logs extracts. Invalid data of a camera
never causes an error of the function.

Environment variables: `DEEPLENS_ENVIRONMENT`, and `DEEPLENS_RELEASE_STACK` with the name of the
stack that owns the environment's deployments.
"""

import os
import time
from collections.abc import Iterator
from typing import Any

from fleet_metrics.deployments import failed_deployment
from fleet_metrics.emf import MetricsLine
from fleet_metrics.heartbeats import heartbeat_lines
from fleet_metrics.messages import message_lines


def handler(event: dict[str, Any], _context: object) -> None:
    """Write the lines of a message, heartbeat or deployment event to the function's log."""
    now_ms = round(time.time() * 1000)
    for line in lines(event, now_ms):
        print(line.render(os.environ["DEEPLENS_ENVIRONMENT"]), flush=True)  # noqa: T201 - stdout is the log


def lines(event: dict[str, Any], now_ms: int) -> Iterator[MetricsLine]:
    """Yield the lines of an event that arrived at `now_ms` (Unix time in milliseconds)."""
    if "detail-type" in event:
        yield from failed_deployment(event, os.environ["DEEPLENS_RELEASE_STACK"], now_ms)
    elif "heartbeat" in event:
        yield from heartbeat_lines(event, now_ms)
    else:
        yield from message_lines(event, now_ms)
