"""Metrics of detection, error and dropped messages, which docs/messages.md describes."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fleet_metrics.emf import MetricsLine
from fleet_metrics.json_access import number, text

# The oldest and newest accepted time of a frame, relative to the current time. CloudWatch accepts
# metrics of the last two weeks and of the next two hours; these limits leave a margin.
_OLDEST_MS = 13 * 24 * 3600 * 1000
_NEWEST_MS = 3600 * 1000
# The maximum number of labels per message. Each label is a billed metric, so a defective camera
# must not create thousands of labels.
_MAX_LABELS = 20


def message_lines(event: dict[str, Any], now_ms: int) -> Iterator[MetricsLine]:
    """Yield a line for the message and, for detections, a line for each of the 20 top labels."""
    thing = text(event, "thing")
    if isinstance(event.get("detections"), list):
        yield from _detections(event, thing, now_ms)
    elif isinstance(event.get("error"), dict):
        yield MetricsLine(
            now_ms,
            {"Errors": (1, "Count")},
            {"kind": "error", **event},
            ({}, {"Thing": thing}),
        )
    elif isinstance(event.get("dropped"), dict):
        count = number(event, "dropped", "count") or 0
        yield MetricsLine(
            now_ms, {"DroppedMessages": (count, "Count")}, {"kind": "dropped", **event}
        )
    else:
        yield MetricsLine(
            now_ms, {"UnreadableMessages": (1, "Count")}, {"kind": "unreadable", **event}
        )


def _detections(event: dict[str, Any], thing: str, now_ms: int) -> Iterator[MetricsLine]:
    at_ms = _captured_at_ms(event, now_ms)
    labels = Counter(text(detection, "label") for detection in event["detections"])
    # The frame also contained the omitted detections.
    total = labels.total() + (number(event, "omitted") or 0)
    metrics = {"Detections": (float(total), "Count")}
    inference_ms = number(event, "inference_ms")
    if inference_ms is not None:
        metrics["InferenceTime"] = (inference_ms, "Milliseconds")
    yield MetricsLine(at_ms, metrics, {"kind": "detections", **event})
    for label, count in labels.most_common(_MAX_LABELS):
        details = {"kind": "label", "thing": thing}
        yield MetricsLine(at_ms, {"Detections": (count, "Count")}, details, ({"Label": label},))


def _captured_at_ms(event: dict[str, Any], now_ms: int) -> int:
    """Return the frame's Unix time in ms, or `now_ms` if that time is missing or not plausible.

    A message can wait in a camera's spool for hours.
    """
    try:
        captured = datetime.fromisoformat(text(event.get("frame"), "captured_at"))
        at_ms = round(captured.timestamp() * 1000)
    except (ValueError, OverflowError):
        return now_ms
    return at_ms if now_ms - _OLDEST_MS <= at_ms <= now_ms + _NEWEST_MS else now_ms
