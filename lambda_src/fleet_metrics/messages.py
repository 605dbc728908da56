"""Detections, errors and the word about dropped messages, as docs/messages.md describes them."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fleet_metrics.emf import MetricsLine
from fleet_metrics.json_access import number, text

# CloudWatch takes metrics of the last two weeks and of the next two hours.
_OLDEST_MS = 13 * 24 * 3600 * 1000
_NEWEST_MS = 3600 * 1000
# Each label is a metric that costs money; a broken camera must not make thousands.
_MOST_LABELS = 20


def message_lines(event: dict[str, Any], now_ms: int) -> Iterator[MetricsLine]:
    """Yield a line of the message itself, and one for each label on the frame."""
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
    # What did not fit into the message was on the frame, too.
    total = labels.total() + (number(event, "omitted") or 0)
    metrics = {"Detections": (float(total), "Count")}
    inference_ms = number(event, "inference_ms")
    if inference_ms is not None:
        metrics["InferenceTime"] = (inference_ms, "Milliseconds")
    yield MetricsLine(at_ms, metrics, {"kind": "detections", **event})
    for label, count in labels.most_common(_MOST_LABELS):
        said = {"kind": "label", "thing": thing}
        yield MetricsLine(at_ms, {"Detections": (count, "Count")}, said, ({"Label": label},))


def _captured_at_ms(event: dict[str, Any], now_ms: int) -> int:
    """Return when the picture was taken; the time of arrival when that cannot be right.

    A message may have waited in a camera's spool for hours.
    """
    try:
        captured = datetime.fromisoformat(text(event.get("frame"), "captured_at"))
        at_ms = round(captured.timestamp() * 1000)
    except (ValueError, OverflowError):
        return now_ms
    return at_ms if now_ms - _OLDEST_MS <= at_ms <= now_ms + _NEWEST_MS else now_ms
